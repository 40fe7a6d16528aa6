// Memory that processes share: files mapped with MAP_SHARED, memfd_create(2) and its seals,
// shm_open(3). Processes meet at calls, never by spinning.
#include "check.h"

#include <sys/mman.h>

#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#define F_GET_SEALS 1034
#define F_SEAL_SEAL 1
#define F_SEAL_SHRINK 2
#define F_SEAL_GROW 4
#define F_SEAL_WRITE 8
#endif

#define PAGE 4096

static char *map(int fd, size_t len, int protection, int flags)
{
	char *at = mmap(0, len, protection, flags, fd, 0);
	if (at == MAP_FAILED) {
		printf("mmap: %s\n", error_name(errno));
		return 0;
	}
	return at;
}

static void show_map(const char *what, int fd, int protection, int flags)
{
	char *at = mmap(0, PAGE, protection, flags, fd, 0);
	printf("%s: %s\n", what, at == MAP_FAILED ? error_name(errno) : "mapped");
	if (at != MAP_FAILED) munmap(at, PAGE);
}

static void with_a_file(void)
{
	char buffer[16] = "";
	int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0644);
	MUST(fd);
	MUST(write(fd, "0123456789", 10));
	char *one = map(fd, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	char *other = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	char *private = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	if (!one || !other || !private) return;
	printf("[%.10s] %d\n", one, one[10]);
	memcpy(one + 2, "two", 3);
	SHOW(pread(fd, buffer, 10, 0));
	printf("file: [%.10s], other mapping: [%.10s]\n", buffer, other);
	SHOW(pwrite(fd, "written", 7, 3));
	printf("one: [%.10s]\n", one);
	memcpy(other, "OTHER", 5);
	SHOW(pread(fd, buffer, 10, 0));
	printf("file: [%.10s], one: [%.10s], other: [%.10s]\n", buffer, one, other);
	// What lies behind the end of the file is not written.
	one[12] = 'x';
	SHOW(msync(one, 2 * PAGE, MS_SYNC));
	struct stat status;
	MUST(fstat(fd, &status));
	printf("size %d\n", (int)status.st_size);
	private[0] = 'P';
	SHOW(msync(private, PAGE, MS_SYNC));
	SHOW(pread(fd, buffer, 3, 0));
	printf("[%.3s]\n", buffer);
	SHOW(munmap(other, PAGE));
	close(fd);
	// The mapping holds the file.
	one[0] = 'A';
	SHOW(munmap(one, 2 * PAGE));
	show_file("file");
	SHOW(msync(one, PAGE, MS_SYNC | MS_ASYNC));
	SHOW(msync(one + 1, PAGE, MS_SYNC));
	munmap(private, PAGE);

	MUST(fd = open("file", O_RDONLY));
	show_map("read-only file, shared for writing", fd, PROT_WRITE, MAP_SHARED);
	show_map("read-only file, shared for reading", fd, PROT_READ, MAP_SHARED);
	show_map("read-only file, private", fd, PROT_WRITE, MAP_PRIVATE);
	close(fd);
	MUST(fd = open("file", O_WRONLY));
	show_map("write-only file", fd, PROT_WRITE, MAP_SHARED);
	close(fd);
	show_map("no file", -1, PROT_READ, MAP_SHARED);
	show_map("without a file", -1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
}

static void grow(void)
{
	int fd = memfd_create("grow", 0);
	MUST(fd);
	MUST(ftruncate(fd, 3 * PAGE));
	char *at = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	if (!at) return;
	strcpy(at, "first");
	MUST(pwrite(fd, "third", 5, 2 * PAGE));
	at = mremap(at, PAGE, 3 * PAGE, MREMAP_MAYMOVE);
	if (at == MAP_FAILED) {
		printf("mremap: %s\n", error_name(errno));
		return;
	}
	printf("[%s] [%s]\n", at, at + 2 * PAGE);
	strcpy(at + PAGE, "second");
	char buffer[8] = "";
	SHOW(pread(fd, buffer, 6, PAGE));
	printf("[%s]\n", buffer);
	SHOW(munmap(at + PAGE, PAGE));
	strcpy(at, "FIRST");
	strcpy(at + 2 * PAGE, "THIRD");
	SHOW(pread(fd, buffer, 5, 2 * PAGE));
	printf("[%s]\n", buffer);
	munmap(at, 3 * PAGE);
	close(fd);
}

static void seals(void)
{
	int fd = memfd_create("plain", MFD_CLOEXEC);
	MUST(fd);
	SHOW(fcntl(fd, F_GETFD));
	SHOW(fcntl(fd, F_GET_SEALS));
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	close(fd);
	SHOW(memfd_create("x", 0x8000));
	SHOW(memfd_create(BAD_POINTER, 0));
	char name[300];
	memset(name, 'n', sizeof name);
	name[249] = 0;
	SHOW_OK(fd = memfd_create(name, 0));
	close(fd);
	name[249] = 'n';
	name[250] = 0;
	SHOW(memfd_create(name, 0));

	MUST(fd = memfd_create("sealed", MFD_ALLOW_SEALING));
	char path[64], target[64] = "";
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(path, target, sizeof target - 1);
	printf("%.*s\n", (int)n, target);
	SHOW(fcntl(fd, F_GET_SEALS));
	SHOW(write(fd, "0123456789", 10));
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	SHOW(ftruncate(fd, 5));
	SHOW(ftruncate(fd, 20));
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	SHOW(ftruncate(fd, 30));
	SHOW(pwrite(fd, "x", 1, 20));
	SHOW(pwrite(fd, "x", 1, 19));
	char *at = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	munmap(at, PAGE);
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	SHOW(pwrite(fd, "x", 1, 0));
	show_map("sealed, for writing", fd, PROT_READ | PROT_WRITE, MAP_SHARED);
	show_map("sealed, for reading", fd, PROT_READ, MAP_PRIVATE);
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	SHOW(fcntl(fd, F_GET_SEALS));
	int again = open(path, O_RDONLY);
	MUST(again);
	char buffer[16] = "";
	SHOW(read(again, buffer, 10));
	printf("[%s]\n", buffer);
	close(again);
	close(fd);
	MUST(fd = open("file", O_RDWR));
	SHOW(fcntl(fd, F_GET_SEALS));
	close(fd);
}

// Two processes count in turns: one byte through each pipe, the number in memory.
static int count(int fd, int in, int out)
{
	int *number = (int *)(void *)map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	char byte;
	if (!number) return 1;
	while (read(in, &byte, 1) == 1) {
		number[0]++;
		number[1] = number[0] * 2;
		if (write(out, &byte, 1) != 1) return 2;
	}
	number[100] = 100;
	return 0;
}

static void turns(const char *self, int fd)
{
	int there[2], back[2];
	char a[16], b[32];
	MUST(pipe(there));
	MUST(pipe(back));
	MUST(fcntl(there[1], F_SETFD, FD_CLOEXEC));
	MUST(fcntl(back[0], F_SETFD, FD_CLOEXEC));
	MUST(ftruncate(fd, PAGE));
	int *number = (int *)(void *)map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	if (!number) return;
	snprintf(a, sizeof a, "%d", fd);
	snprintf(b, sizeof b, "%d,%d", there[0], back[1]);
	pid_t pid = start_role(self, "count", a, b);
	close(there[0]);
	close(back[1]);
	int wrong = 0;
	for (int i = 0; i < 100; i++) {
		char byte = 0;
		number[0]++;
		number[50] = i;
		MUST(write(there[1], &byte, 1));
		if (read(back[0], &byte, 1) != 1) break;
		wrong += number[0] != 2 * (i + 1) || number[1] != number[0] * 2;
	}
	close(there[1]);
	show_end("count", pid);
	printf("number %d, at its end %d, wrong %d times\n", number[0], number[100], wrong);
	close(back[0]);
	munmap(number, PAGE);
}

static void posix_shm(const char *self)
{
	char name[64];
	snprintf(name, sizeof name, "/shoal-test-%d", (int)getpid());
	SHOW(shm_open(name, O_RDWR, 0600));
	int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	MUST(fd);
	SHOW(shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600));
	MUST(fcntl(fd, F_SETFD, 0));
	turns(self, fd);
	close(fd);
	SHOW(shm_unlink(name));
	SHOW(shm_unlink(name));
}

int main(int argc, char **argv)
{
	if (argc > 3 && !strcmp(argv[1], "count")) {
		int in, out;
		if (sscanf(argv[3], "%d,%d", &in, &out) != 2) return 9;
		return count(atoi(argv[2]), in, out);
	}
	with_a_file();
	grow();
	seals();
	int fd = memfd_create("turns", 0);
	MUST(fd);
	turns(argv[0], fd);
	close(fd);
	posix_shm(argv[0]);
	return 0;
}

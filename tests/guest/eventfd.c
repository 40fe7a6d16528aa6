// eventfd: counters and semaphores, full and empty ones, waiting, readiness, fdinfo.
#include "check.h"
#include <poll.h>
#include <sys/eventfd.h>

static void show_poll(const char *what, int fd)
{
	struct pollfd entry = { fd, POLLIN | POLLOUT, 0 };
	int n = poll(&entry, 1, 0);
	printf("%s: %d%s%s%s\n", what, n, entry.revents & POLLIN ? " IN" : "",
		entry.revents & POLLOUT ? " OUT" : "", entry.revents & ~(POLLIN | POLLOUT) ? " more" : "");
}

static void show_read(const char *what, int fd)
{
	uint64_t number = 77;
	ssize_t n = read(fd, &number, sizeof number);
	if (n == -1) printf("%s: %s\n", what, error_name(errno));
	else printf("%s: %zd bytes, %llu\n", what, n, (unsigned long long)number);
}

static ssize_t put(int fd, uint64_t number)
{
	return write(fd, &number, sizeof number);
}

int main(int argc, char **argv)
{
	if (argc > 2) {
		int fd = atoi(argv[2]);
		sleep_ms(50);
		if (!strcmp(argv[1], "write")) SHOW(put(fd, 5));
		else show_read("child", fd);
		return 0;
	}
	printf("-- making\n");
	SHOW(eventfd(0, 0x8000));
	int fd = eventfd(3, EFD_CLOEXEC | EFD_NONBLOCK);
	SHOW_BOOL(fd >= 0);
	SHOW(fcntl(fd, F_GETFD));
	SHOW_BOOL(fcntl(fd, F_GETFL) == (O_RDWR | O_NONBLOCK));

	printf("-- counter\n");
	show_poll("three", fd);
	show_read("all", fd);
	show_read("empty", fd);
	show_poll("empty", fd);
	SHOW(put(fd, 4));
	SHOW(put(fd, 5));
	show_read("sum", fd);
	SHOW(put(fd, 0));
	show_poll("zero was written", fd);
	SHOW(put(fd, UINT64_MAX));
	SHOW(put(fd, UINT64_MAX - 1));
	show_poll("full", fd);
	SHOW(put(fd, 1));
	SHOW(put(fd, 0));
	show_read("full", fd);
	SHOW(put(fd, UINT64_MAX - 2));
	SHOW(put(fd, 2));
	SHOW(put(fd, 1));
	show_read("full again", fd);

	printf("-- sizes\n");
	char bytes[24] = { 1 };
	SHOW(write(fd, bytes, 7));
	SHOW(write(fd, bytes, 0));
	SHOW(write(fd, bytes, 24));
	SHOW(read(fd, bytes, 7));
	SHOW(read(fd, bytes, 24));
	SHOW(write(fd, BAD_POINTER, 8));
	SHOW(lseek(fd, 0, SEEK_SET));
	SHOW(pread(fd, bytes, 8, 0));
	SHOW(ftruncate(fd, 0));

	printf("-- semaphore\n");
	int semaphore = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
	show_read("one", semaphore);
	show_read("two", semaphore);
	show_read("none", semaphore);
	SHOW(put(semaphore, 3));
	show_read("one", semaphore);
	show_poll("two left", semaphore);

	printf("-- waiting\n");
	fd = eventfd(0, 0);
	char number[12];
	snprintf(number, sizeof number, "%d", fd);
	pid_t child = start_role(argv[0], "write", number, 0);
	show_read("a child writes", fd);
	show_end("child", child);
	MUST(put(fd, UINT64_MAX - 1));
	child = start_role(argv[0], "read", number, 0);
	SHOW(put(fd, 9));
	show_end("child", child);
	show_read("what was written then", fd);

	printf("-- fdinfo\n");
	char path[40], line[80];
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", semaphore);
	FILE *info = fopen(path, "r");
	while (info && fgets(line, sizeof line, info))
		if (!strncmp(line, "eventfd-count", 13) || !strncmp(line, "eventfd-sem", 11) ||
			!strncmp(line, "pos", 3))
			fputs(line, stdout);
	char target[64] = "";
	snprintf(path, sizeof path, "/proc/self/fd/%d", semaphore);
	MUST(readlink(path, target, sizeof target - 1));
	printf("%s\n", target);
	return 0;
}

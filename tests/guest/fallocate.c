// Space of files: fallocate, holes and where they are, and copies without a buffer.
#include "check.h"
#include <sys/mman.h>
#include <sys/sendfile.h>

// musl's fcntl.h has two of the modes.
#ifndef FALLOC_FL_COLLAPSE_RANGE
#define FALLOC_FL_COLLAPSE_RANGE 0x08
#define FALLOC_FL_ZERO_RANGE 0x10
#define FALLOC_FL_INSERT_RANGE 0x20
#define FALLOC_FL_UNSHARE_RANGE 0x40
#endif

#define MIB (1 << 20)

static long long size_of(int fd)
{
	struct stat st;
	MUST(fstat(fd, &st));
	return st.st_size;
}

static long long space_of(int fd)
{
	struct stat st;
	MUST(fstat(fd, &st));
	return st.st_blocks * 512LL;
}

// Prints whether all bytes of a range are zeros.
static void show_zeros(int fd, long long start, int len)
{
	static char bytes[2 * MIB];
	ssize_t n = pread(fd, bytes, len, start);
	int i = 0;
	while (i < n && !bytes[i]) i++;
	printf("%d bytes at %lld: %s\n", (int)n, start, i == n ? "zeros" : "something");
}

static void allocation(void)
{
	int fd = open("space", O_RDWR | O_CREAT | O_TRUNC, 0644);
	MUST(fd);
	SHOW(fallocate(fd, 0, 0, 3 * MIB));
	SHOW(size_of(fd));
	SHOW_BOOL(space_of(fd) >= 3 * MIB);
	show_zeros(fd, 0, MIB);
	MUST(pwrite(fd, "start", 5, 0));
	MUST(pwrite(fd, "end", 3, 3 * MIB - 3));
	SHOW(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 3 * MIB));
	SHOW(fallocate(fd, 0, 0, MIB));
	SHOW(size_of(fd));
	SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, MIB, MIB));
	SHOW_BOOL(space_of(fd) >= 2 * MIB && space_of(fd) < 3 * MIB);
	SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2, 3 * MIB - 4));
	SHOW_BOOL(space_of(fd) < MIB);
	SHOW(size_of(fd));
	char ends[6] = "";
	MUST(pread(fd, ends, 5, 0));
	printf("[%.2s] %d %d\n", ends, ends[2], ends[4]);
	MUST(pread(fd, ends, 3, 3 * MIB - 3));
	printf("%d [%.2s]\n", ends[0], ends + 1);
	SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3 * MIB, MIB));
	SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 9LL * MIB));
	SHOW(size_of(fd));
	show_zeros(fd, 0, 2 * MIB);
	show_zeros(fd, 2 * MIB, 2 * MIB);

	puts("-- what is refused");
	SHOW(fallocate(fd, 0, -1, 1));
	SHOW(fallocate(fd, 0, 0, 0));
	SHOW(fallocate(fd, 0, 0, -1));
	SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 1));
	SHOW(fallocate(fd, 0x400, 0, 1));
	SHOW(fallocate(99, 0, 0, 1));
	int only = open("space", O_RDONLY), folder = open(".", O_RDONLY), ends_of[2];
	MUST(only);
	MUST(folder);
	MUST(pipe(ends_of));
	SHOW(fallocate(only, 0, 0, 1));
	SHOW(fallocate(folder, 0, 0, 1));
	SHOW(fallocate(ends_of[1], 0, 0, 1));
	int null = open("/dev/null", O_WRONLY);
	SHOW(fallocate(null, 0, 0, 1));
	// Modes that no file system has, and those that some have, of the wrong files.
	SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0, 1));
	SHOW(fallocate(only, FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_KEEP_SIZE, 0, 1));
	SHOW(fallocate(only, FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE, 0, 1));
	SHOW(fallocate(only, FALLOC_FL_COLLAPSE_RANGE, 0, 1));
	SHOW(fallocate(only, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1));
	SHOW(fallocate(only, FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_KEEP_SIZE, 0, 1));
	SHOW(fallocate(ends_of[1], FALLOC_FL_INSERT_RANGE, 0, 1));
	SHOW(fallocate(null, FALLOC_FL_ZERO_RANGE, 0, 1));
	SHOW(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, INT64_MAX, 1));
	SHOW(fallocate(fd, FALLOC_FL_UNSHARE_RANGE, 0, 1));
	close(only), close(folder), close(null), close(fd);
	MUST(unlink("space"));
}

static void holes(void)
{
	puts("-- holes");
	int fd = open("sparse", O_RDWR | O_CREAT | O_TRUNC, 0644);
	MUST(fd);
	static char page[65536];
	memset(page, 7, sizeof page);
	MUST(pwrite(fd, page, sizeof page, 4 * MIB));
	MUST(pwrite(fd, page, sizeof page, 8 * MIB));
	MUST(ftruncate(fd, 16 * MIB));
	SHOW(lseek(fd, 0, SEEK_DATA));
	SHOW(lseek(fd, 0, SEEK_HOLE));
	SHOW(lseek(fd, 4 * MIB + 100, SEEK_DATA));
	SHOW(lseek(fd, 4 * MIB, SEEK_HOLE));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(lseek(fd, 5 * MIB, SEEK_DATA));
	SHOW(lseek(fd, 8 * MIB, SEEK_HOLE));
	SHOW(lseek(fd, 9 * MIB, SEEK_HOLE));
	SHOW(lseek(fd, 9 * MIB, SEEK_DATA) == -1 && errno == ENXIO);
	SHOW(lseek(fd, 16 * MIB, SEEK_HOLE));
	SHOW(lseek(fd, -1, SEEK_DATA));
	MUST(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3 * MIB, 2 * MIB));
	SHOW(lseek(fd, 0, SEEK_DATA));
	MUST(ftruncate(fd, 8 * MIB + 10));
	SHOW(lseek(fd, 8 * MIB, SEEK_HOLE));
	close(fd);
	MUST(unlink("sparse"));
}

static void copies(void)
{
	puts("-- copies");
	make_file("from", "0123456789");
	int from = open("from", O_RDWR), to = open("to", O_RDWR | O_CREAT | O_TRUNC, 0644);
	MUST(from);
	MUST(to);
	off_t in = 4, out = 2;
	SHOW(copy_file_range(from, &in, to, &out, 3, 0));
	printf("%lld %lld\n", (long long)in, (long long)out);
	show_file("to");
	in = 100;
	SHOW(copy_file_range(from, &in, to, &out, 3, 0));
	SHOW(copy_file_range(from, &in, to, &out, 0, 0));
	in = 0, out = 3;
	SHOW(copy_file_range(from, &in, from, &out, 5, 0));
	SHOW(copy_file_range(from, &in, from, &out, 3, 0));
	show_file("from");
	in = -1;
	SHOW(copy_file_range(from, &in, to, 0, 3, 0));
	in = 0;
	SHOW(copy_file_range(from, &in, to, 0, 3, 1));
	SHOW(copy_file_range(from, BAD_POINTER, to, 0, 3, 0));
	in = INT64_MAX - 2;
	SHOW(copy_file_range(from, &in, to, 0, 30, 0));
	int memory = memfd_create("memory", 0), folder = open(".", O_RDONLY), ends[2];
	int append = open("to", O_WRONLY | O_APPEND), only = open("to", O_RDONLY);
	MUST(memory);
	MUST(pipe(ends));
	SHOW(copy_file_range(from, 0, memory, 0, 3, 0));
	SHOW(copy_file_range(from, 0, folder, 0, 3, 0));
	SHOW(copy_file_range(ends[0], 0, folder, 0, 3, 0));
	SHOW(copy_file_range(from, 0, ends[1], 0, 3, 0));
	SHOW(copy_file_range(from, 0, append, 0, 3, 0));
	SHOW(copy_file_range(from, 0, only, 0, 3, 0));
	SHOW(copy_file_range(from, 0, 99, 0, 3, 0));

	in = 2;
	SHOW(sendfile(memory, from, &in, 3));
	SHOW(sendfile(ends[1], from, &in, 3));
	SHOW(sendfile(append, from, &in, 3));
	SHOW(sendfile(to, folder, &in, 3));
	SHOW(sendfile(only, from, &in, 3));
	SHOW(sendfile(to, ends[0], 0, 3));
	SHOW(sendfile(to, ends[0], &in, 3));
	in = -1;
	SHOW(sendfile(memory, from, &in, 3));
	in = 100;
	SHOW(sendfile(memory, from, &in, 3));
	char sent[8] = "";
	MUST(pread(memory, sent, 7, 0));
	printf("[%s]\n", sent);
	close(from), close(to), close(append), close(only), close(folder), close(memory);
	MUST(unlink("from"));
	MUST(unlink("to"));
}

int main(void)
{
	umask(022);
	allocation();
	holes();
	copies();
	char elsewhere[] = "/var/tmp/fallocate-XXXXXX";
	if (!mkdtemp(elsewhere)) return 99;
	puts("== elsewhere");
	fflush(stdout);
	MUST(chdir(elsewhere));
	allocation();
	holes();
	copies();
	MUST(chdir("/"));
	MUST(rmdir(elsewhere));
	return 0;
}

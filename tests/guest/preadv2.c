// Scattered reads and writes with flags, and memory that is locked.
#include "check.h"
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#ifndef RWF_SYNC
#define RWF_DSYNC 2
#define RWF_SYNC 4
#define RWF_NOWAIT 8
#define RWF_APPEND 16
#endif

// Not every libc has these.
static ssize_t read_at(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
	return syscall(SYS_preadv2, fd, iov, n, (long)offset, (long)(offset >> 32), flags);
}

static ssize_t write_at(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
	return syscall(SYS_pwritev2, fd, iov, n, (long)offset, (long)(offset >> 32), flags);
}

int main(void)
{
	char a[4] = "", b[8] = "";
	struct iovec out[] = { { (char *)"abc", 3 }, { (char *)"", 0 }, { (char *)"defgh", 5 } };
	struct iovec in[] = { { a, 3 }, { b, 5 } };
	int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0644);
	MUST(fd);
	SHOW(write_at(fd, out, 3, -1, 0));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(write_at(fd, out, 1, 2, RWF_SYNC));
	SHOW(lseek(fd, 0, SEEK_CUR));
	show_file("file");
	MUST(lseek(fd, 1, SEEK_SET));
	SHOW(read_at(fd, in, 2, -1, 0));
	printf("[%.3s] [%.5s]\n", a, b);
	SHOW(read_at(fd, in, 1, 5, 0));
	printf("[%.3s]\n", a);
	SHOW(read_at(fd, in, 1, -2, 0));
	SHOW(write_at(fd, in, 1, -2, 0));
	SHOW(read_at(fd, in, 1, 0, 0x4000));
	SHOW(write_at(fd, in, 1, 0, 0x4000));
	SHOW(read_at(99, in, 1, 0, 0));

	puts("-- at the end");
	MUST(lseek(fd, 1, SEEK_SET));
	SHOW(write_at(fd, out, 1, 0, RWF_APPEND));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(write_at(fd, out, 1, -1, RWF_APPEND | RWF_DSYNC));
	SHOW(lseek(fd, 0, SEEK_CUR));
	show_file("file");
	int only = open("file", O_RDONLY);
	MUST(only);
	SHOW(write_at(only, out, 1, 0, RWF_APPEND));
	SHOW(read_at(only, in, 2, 100, 0));

	puts("-- pipes");
	int ends[2];
	MUST(pipe(ends));
	SHOW(write_at(ends[1], out, 3, -1, 0));
	SHOW(write_at(ends[1], out, 3, 0, 0));
	SHOW(read_at(ends[0], in, 2, 0, 0));
	SHOW(read_at(ends[0], in, 2, -1, RWF_NOWAIT));
	SHOW(read_at(ends[0], in, 2, -1, RWF_NOWAIT));

	puts("-- locks");
	SHOW(mlockall(0));
	SHOW(mlockall(8));
	SHOW(mlockall(MCL_CURRENT | MCL_FUTURE));
	SHOW(munlockall());
	SHOW(syscall(SYS_mlock2, a, sizeof a, 0));
	SHOW(syscall(SYS_mlock2, a, sizeof a, 2));
	return 0;
}

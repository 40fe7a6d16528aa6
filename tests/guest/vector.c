// Scattered reads and writes, and copies between descriptors.
#include "check.h"
#include <limits.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>

int main(void)
{
	char a[4] = "", b[8] = "", c[4] = "";
	struct iovec out[] = { { (char *)"abc", 3 }, { (char *)"", 0 }, { (char *)"defgh", 5 } };
	struct iovec in[] = { { a, 2 }, { b, 3 }, { c, 3 } };
	int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0644);
	MUST(fd);
	SHOW(writev(fd, out, 3));
	MUST(lseek(fd, 0, SEEK_SET));
	SHOW(readv(fd, in, 3));
	printf("[%.2s] [%.3s] [%.3s]\n", a, b, c);
	SHOW(readv(fd, in, 3));
	SHOW(pwritev(fd, out, 1, 6));
	SHOW(preadv(fd, in, 3, 4));
	printf("[%.2s] [%.3s]\n", a, b);
	SHOW(preadv(fd, in, 3, -1));
	SHOW(readv(fd, in, 0));
	SHOW(syscall(SYS_writev, fd, out, -1));
	SHOW(syscall(SYS_writev, fd, out, IOV_MAX + 1));
	show_file("file");

	// What lies before a bad buffer is moved.
	struct iovec bad[] = { { (char *)"xyz", 3 }, { (void *)0xfff00000u, 9 } };
	SHOW(pwritev(fd, bad, 2, 0));
	SHOW(pwritev(fd, bad + 1, 1, 0));
	bad[0].iov_base = b;
	SHOW(preadv(fd, bad, 2, 0));
	printf("[%.3s]\n", b);
	SHOW(preadv(fd, bad + 1, 1, 0));
	int ends[2];
	MUST(pipe(ends));
	SHOW(writev(ends[1], bad, 2));

	int to = open("copy", O_RDWR | O_CREAT | O_TRUNC, 0644);
	MUST(to);
	off_t offset = 2;
	SHOW(sendfile(to, fd, &offset, 4));
	printf("offset %lld\n", (long long)offset);
	show_file("copy");
	MUST(lseek(fd, 0, SEEK_SET));
	SHOW(sendfile(to, fd, 0, 100));
	SHOW(lseek(fd, 0, SEEK_CUR));
	show_file("copy");
	SHOW(sendfile(to, 99, 0, 1));
	off_t from = 1;
	SHOW(copy_file_range(fd, &from, to, 0, 3, 0));
	show_file("copy");
	SHOW(copy_file_range(fd, &from, to, 0, 3, 1));

	SHOW(posix_fallocate(to, 0, 100));
	struct stat st;
	MUST(fstat(to, &st));
	printf("size %lld\n", (long long)st.st_size);
	SHOW(posix_fadvise(to, 0, 0, POSIX_FADV_SEQUENTIAL));
	return 0;
}

// Descriptors: duplicates, flags, limits, close on exec.
#include "check.h"
#include <linux/close_range.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

// The bit for large files, which some libcs do not name.
#define LARGE 0100000

static int close_fds(unsigned first, unsigned last, unsigned flags)
{
	return syscall(SYS_close_range, first, last, flags);
}

// As a child: which of the descriptors 10 and 11 came along.
static int child(void)
{
	SHOW(fcntl(10, F_GETFD));
	SHOW(fcntl(11, F_GETFD));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1) return child();
	int fd = open("file", O_RDWR | O_CREAT, 0644);
	printf("lowest free: %d\n", fd);
	SHOW(dup(fd));
	SHOW(dup(99));
	SHOW(close(3));
	SHOW(open("file", O_RDWR));
	SHOW(dup2(fd, 7));
	SHOW(dup2(7, 7));
	SHOW(dup2(99, 7));
	SHOW(dup2(99, 99));
	SHOW(dup2(fd, -1));
	SHOW(dup3(fd, 8, O_CLOEXEC));
	SHOW(fcntl(8, F_GETFD));
	SHOW(dup3(8, 8, 0));
	SHOW(syscall(SYS_dup3, fd, 9, O_APPEND));
	SHOW(fcntl(fd, F_DUPFD, 20));
	SHOW(fcntl(fd, F_DUPFD, 20));
	SHOW(fcntl(fd, F_DUPFD, -1));
	SHOW(fcntl(fd, F_DUPFD_CLOEXEC, 30));
	SHOW(fcntl(30, F_GETFD));
	SHOW(fcntl(30, F_SETFD, 0));
	SHOW(fcntl(30, F_GETFD));
	SHOW(fcntl(99, F_GETFD));
	SHOW(fcntl(fd, 9999));

	// Flags of the description are shared, and those of access cannot change.
	SHOW(fcntl(fd, F_SETFL, O_NONBLOCK | O_APPEND | O_WRONLY));
	SHOW_BOOL((fcntl(20, F_GETFL) & ~LARGE) == (O_RDWR | O_NONBLOCK | O_APPEND));
	int on = 0;
	SHOW(ioctl(fd, FIONBIO, &on));
	SHOW_BOOL((fcntl(20, F_GETFL) & ~LARGE) == (O_RDWR | O_APPEND));
	SHOW(ioctl(20, FIOCLEX));
	SHOW(fcntl(20, F_GETFD));
	SHOW(ioctl(20, FIONCLEX));
	SHOW(fcntl(20, F_GETFD));
	SHOW(ioctl(99, FIONBIO, &on));

	// Over exec.
	MUST(dup2(fd, 10));
	MUST(dup3(fd, 11, O_CLOEXEC));
	show_end("child", start_role(argv[0], "child", 0, 0));
	SHOW(fcntl(11, F_GETFD));

	SHOW(close_fds(20, 25, 0));
	SHOW(fcntl(20, F_GETFD));
	SHOW(close_fds(7, 8, CLOSE_RANGE_CLOEXEC));
	SHOW(fcntl(7, F_GETFD));
	SHOW(close_fds(8, 7, 0));
	return 0;
}

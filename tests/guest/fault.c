// Bad pointers: EFAULT, never a crash.
#include "check.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/utsname.h>

// The call itself, past libc, which may touch the pointer first.
#define SHOW_FAULT(name, ...) \
	do { \
		errno = 0; \
		long result = syscall(SYS_##name, __VA_ARGS__); \
		printf(#name ": %s\n", result == -1 ? error_name(errno) : "no error"); \
	} while (0)

int main(void)
{
	void *bad = BAD_POINTER;
	char buffer[64];
	int p[2];
	make_file("file", "0123456789");
	int fd = open("file", O_RDWR);
	MUST(fd);
	MUST(pipe(p));
	MUST(write(p[1], "pipe", 4));

	SHOW_FAULT(read, fd, bad, 10);
	SHOW_FAULT(write, fd, bad, 10);
	SHOW_FAULT(read, p[0], bad, 4);
	SHOW_FAULT(write, p[1], bad, 4);
	SHOW_FAULT(openat, AT_FDCWD, bad, O_RDONLY, 0);
	SHOW_FAULT(openat, AT_FDCWD, 0, O_RDONLY, 0);
	SHOW_FAULT(mkdirat, AT_FDCWD, bad, 0755);
	SHOW_FAULT(unlinkat, AT_FDCWD, bad, 0);
	SHOW_FAULT(linkat, AT_FDCWD, "file", AT_FDCWD, bad, 0);
	SHOW_FAULT(symlinkat, bad, AT_FDCWD, "x");
	SHOW_FAULT(readlinkat, AT_FDCWD, bad, buffer, 64);
	SHOW_FAULT(fchmodat, AT_FDCWD, bad, 0644);
	SHOW_FAULT(faccessat, AT_FDCWD, bad, R_OK);
	SHOW_FAULT(chdir, bad);
	SHOW_FAULT(getcwd, bad, 100);
	SHOW_FAULT(statx, AT_FDCWD, "file", 0, 0x7ff, bad);
	SHOW_FAULT(getdents64, open(".", O_RDONLY), bad, 100);
	SHOW_FAULT(pipe2, bad, 0);
	SHOW_FAULT(readv, fd, bad, 1);
	SHOW_FAULT(writev, fd, bad, 2);
	struct iovec partly[] = { { buffer, 4 }, { bad, 4 } };
	MUST(lseek(fd, 0, SEEK_SET));
	SHOW(readv(fd, partly, 2));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW_FAULT(uname, bad);
	SHOW_FAULT(sysinfo, bad);
	SHOW_FAULT(times, bad);
	SHOW_FAULT(getrusage, RUSAGE_SELF, bad);
	SHOW_FAULT(rt_sigaction, SIGUSR1, bad, 0, 8);
	SHOW_FAULT(rt_sigaction, SIGUSR1, 0, bad, 8);
	SHOW_FAULT(rt_sigprocmask, SIG_BLOCK, bad, 0, 8);
	SHOW_FAULT(rt_sigpending, bad, 8);
	SHOW_FAULT(rt_sigprocmask, SIG_BLOCK, 0, 0, 7);
	SHOW_FAULT(wait4, -1, bad, 0, 0);
	SHOW_FAULT(execve, bad, 0, 0);
	SHOW_FAULT(execve, "/bin/sh", bad, 0);
	SHOW_FAULT(getrandom, bad, 10, 0);
	SHOW_FAULT(setitimer, 0, bad, 0);
	SHOW_FAULT(ioctl, p[0], FIONREAD, bad);
	SHOW_FAULT(sched_getaffinity, 0, 128, bad);
	SHOW_FAULT(prlimit64, 0, RLIMIT_NOFILE, 0, bad);
	SHOW_FAULT(getgroups, -1, bad);
	show_file("file");
	MUST(read(p[0], buffer, 4));
	printf("still in the pipe: [%.4s]\n", buffer);

	// A string that runs into the end of memory, and one without an end.
	static char path[5000];
	memset(path, 'p', sizeof path - 1);
	SHOW(open(path, O_RDONLY));
	return 0;
}

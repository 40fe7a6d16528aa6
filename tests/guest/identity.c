// Who a process is: ids, groups, sessions, names, limits.
#include "check.h"
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

int main(int argc, char **argv)
{
	if (argc > 1) {
		// As a child: a new session makes it leader of a session and of a group.
		SHOW_BOOL(setsid() == getpid());
		SHOW_BOOL(getsid(0) == getpid());
		SHOW_BOOL(getpgrp() == getpid());
		SHOW(setsid());
		SHOW(setpgid(0, getppid()));
		return 0;
	}
	SHOW_BOOL(getpid() > 0);
	SHOW_BOOL(getpid() == getpid());
	SHOW_BOOL(syscall(SYS_gettid) == getpid());
	SHOW_BOOL(getppid() > 0);
	SHOW_BOOL(getuid() == geteuid());
	SHOW_BOOL(getgid() == getegid());
	SHOW_BOOL(getpgid(0) == getpgrp());
	SHOW_BOOL(getsid(0) > 0);
	SHOW(getpgid(999999));
	SHOW(getsid(-1));
	SHOW(setpgid(0, -1));

	uid_t r, e, s;
	SHOW(getresuid(&r, &e, &s));
	SHOW_BOOL(r == e && e == s);
	SHOW(setuid(getuid()));
	SHOW(setgid(getgid()));
	SHOW_BOOL(getgroups(0, 0) >= 0);

	struct utsname name;
	SHOW(uname(&name));
	printf("system %s\n", name.sysname);
	SHOW_BOOL(strlen(name.nodename) > 0 && strlen(name.release) > 0 && strlen(name.machine) > 0);
	SHOW_BOOL(name.release[0] >= '3');

	umask(027);
	SHOW(umask(077));
	SHOW(umask(022));

	SHOW(sysconf(_SC_PAGESIZE));
	SHOW_BOOL(sysconf(_SC_NPROCESSORS_ONLN) > 0);
	struct rlimit limit;
	SHOW(getrlimit(RLIMIT_NOFILE, &limit));
	SHOW_BOOL(limit.rlim_cur >= 64 && limit.rlim_cur <= limit.rlim_max);
	limit.rlim_cur = 32;
	SHOW(setrlimit(RLIMIT_NOFILE, &limit));
	SHOW(dup2(0, 31));
	SHOW(dup2(0, 32));
	SHOW(getrlimit(12345, &limit));
	SHOW(getpriority(PRIO_PROCESS, 0));

	show_end("child in a new session", start_role(argv[0], "child", 0, 0));
	return 0;
}

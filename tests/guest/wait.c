// Waiting for children: whom, for what, and what stays to be waited for.
#include "check.h"
#include <sys/syscall.h>

#ifndef __WCLONE
#define __WCLONE 0x80000000
#endif
#ifndef __WALL
#define __WALL 0x40000000
#endif

static char *self;

static void show_info(const char *what, int result, siginfo_t *info)
{
	if (result == -1) printf("%s: %s\n", what, error_name(errno));
	else if (!info->si_pid) printf("%s: nothing\n", what);
	else printf("%s: signal %d, code %d, status %d, own user: %s\n", what, info->si_signo,
		info->si_code, info->si_status, info->si_uid == getuid() ? "yes" : "no");
}

static int info_of(int kind, id_t id, siginfo_t *info, int options)
{
	memset(info, 0, sizeof *info);
	return waitid(kind, id, info, options);
}

static void show_wait(const char *what, int kind, id_t id, int options)
{
	siginfo_t info;
	int result = info_of(kind, id, &info, options);
	show_info(what, result, &info);
}

static void refusals(void)
{
	int status;
	siginfo_t info;
	SHOW(wait(&status));
	SHOW(waitpid(-1, &status, WNOHANG));
	SHOW(waitpid(getpid(), &status, 0));
	SHOW(waitpid(getppid(), &status, 0));
	SHOW(waitpid(999999, &status, 0));
	SHOW(waitpid(-999999, &status, 0));
	SHOW(waitpid(0, &status, 0));
	SHOW(waitpid(-1, &status, 0x100));
	SHOW(syscall(SYS_wait4, INT32_MIN, &status, 0, 0));
	SHOW(waitid(P_ALL, 0, &info, 0));
	SHOW(waitid(P_ALL, 0, &info, WEXITED | 0x100));
	SHOW(waitid(P_ALL, 0, &info, WNOHANG));
	SHOW(waitid(P_PID, 0, &info, WEXITED));
	SHOW(waitid(P_PID, -5, &info, WEXITED));
	SHOW(waitid(99, 1, &info, WEXITED));
	SHOW(waitid(P_ALL, 0, &info, WEXITED));
}

static void kinds(void)
{
	int status;
	siginfo_t info;
	pid_t pid = start_role(self, "exit", "3", 0);
	// Seen as often as one only looks.
	show_wait("looked at", P_PID, pid, WEXITED | WNOWAIT);
	show_wait("looked at again", P_ALL, 0, WEXITED | WNOWAIT);
	show_wait("its group", P_PGID, getpgrp(), WEXITED | WNOWAIT);
	show_wait("own group", P_PGID, 0, WEXITED | WNOWAIT | WNOHANG);
	show_wait("another group", P_PGID, 999999, WEXITED);
	// It will never stop.
	show_wait("to stop", P_PID, pid, WSTOPPED);
	show_wait("to stop", P_ALL, 0, WSTOPPED | WNOHANG);
	show_wait("to stop", P_PGID, 0, WSTOPPED | WCONTINUED);
	SHOW(waitpid(pid, &status, __WCLONE | WNOHANG));
	SHOW(info_of(P_PID, pid, &info, WEXITED | __WCLONE | WNOHANG));
	SHOW(waitpid(pid, &status, __WALL) == pid);
	show_status("child", status);
	show_wait("again", P_PID, pid, WEXITED);
	// Without anywhere to put the answer.
	pid = start_role(self, "exit", "4", 0);
	SHOW(waitid(P_PID, pid, 0, WEXITED));
	pid = start_role(self, "exit", "5", 0);
	SHOW(waitpid(pid, 0, 0) == pid);
	pid = start_role(self, "exit", "300", 0);
	show_wait("status above 255", P_PID, pid, WEXITED);
	pid = start_role(self, "exit", "6", 0);
	show_wait("ends instead of stopping", P_ALL, 0, WSTOPPED);
	show_end("it", pid);
	pid = start_role(self, "kill", "9", 0);
	show_wait("killed", P_PID, pid, WEXITED);
	pid = start_role(self, "kill", "15", 0);
	show_end("terminated", pid);
}

static void stops(void)
{
	int status;
	pid_t pid = start_role(self, "wait", 0, 0);
	SHOW(waitpid(pid, &status, WNOHANG | WUNTRACED | WCONTINUED));
	kill(pid, SIGSTOP);
	show_wait("stopped", P_PID, pid, WSTOPPED | WNOWAIT);
	SHOW(waitpid(pid, &status, WUNTRACED) == pid);
	show_status("stopped", status);
	SHOW(waitpid(pid, &status, WUNTRACED | WNOHANG));
	// Stopping again what is stopped says nothing.
	kill(pid, SIGSTOP);
	SHOW(waitpid(pid, &status, WUNTRACED | WNOHANG));
	kill(pid, SIGCONT);
	show_wait("continued", P_PID, pid, WCONTINUED | WNOWAIT);
	SHOW(waitpid(pid, &status, WCONTINUED) == pid);
	show_status("continued", status);
	SHOW(waitpid(pid, &status, WCONTINUED | WNOHANG));
	// Continuing what runs says nothing.
	kill(pid, SIGCONT);
	SHOW(waitpid(pid, &status, WCONTINUED | WNOHANG));
	// Killed while it is stopped.
	kill(pid, SIGSTOP);
	SHOW(waitpid(pid, &status, WUNTRACED) == pid);
	kill(pid, SIGTERM);
	SHOW(waitpid(pid, &status, WNOHANG));
	kill(pid, SIGKILL);
	show_end("killed while stopped", pid);
}

static void groups(void)
{
	int status;
	pid_t first = start_role(self, "wait", 0, 0), second = start_role(self, "exit", "6", 0);
	// The first is a group of its own before it runs its program, or never.
	if (setpgid(first, first) == -1) SHOW_BOOL(errno == EACCES);
	SHOW(waitpid(0, &status, 0) == second);
	show_status("of the own group", status);
	kill(first, SIGKILL);
	show_end("the other", first);
}

// All that come at once are counted, however few signals they made.
static void many(void)
{
	int nr = 0, sum = 0, status;
	for (int i = 0; i < 10; i++) {
		char text[4];
		snprintf(text, sizeof text, "%d", i);
		start_role(self, "exit", text, 0);
	}
	while (wait(&status) > 0) {
		nr++;
		sum += WEXITSTATUS(status);
	}
	printf("%d children, sum of statuses %d, then %s\n", nr, sum, error_name(errno));
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		if (!strcmp(argv[1], "exit")) return atoi(argv[2]);
		if (!strcmp(argv[1], "kill")) raise(atoi(argv[2]));
		for (;;) pause();
	}
	setvbuf(stdout, 0, _IOLBF, 0);
	self = argv[0];
	refusals();
	kinds();
	stops();
	groups();
	many();
	return 0;
}

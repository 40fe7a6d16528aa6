/* Handlers with and without information, queues, masks, children. */
#include "wali.h"

static volatile int count, signo, code, number, from_self;
static volatile long context;

static void plain(int sig)
{
	count++;
	signo = sig;
}

static void informed(int sig, struct siginfo *info, void *uc)
{
	count += 100;
	signo = sig == info->signo ? sig : -1;
	code = info->code;
	from_self = info->pid == sys_getpid();
	number = info->number;
	context = uc != 0;
}

static void nested(int sig, struct siginfo *info, void *uc)
{
	(void)uc;
	char here[64];
	/* The structure is below this frame: calls may not destroy it. */
	struct stat s;
	sys_fstat(0, &s);
	sys_kill(sys_getpid(), SIGUSR2);
	memset(here, 0x5a, sizeof here);
	say("nested: %d %d %d\n", (long)sig, (long)info->signo, (long)info->number);
}

int run(int argc, char **argv)
{
	struct sigaction old;
	(void)argc, (void)argv;
	SAY(act(SIGUSR1, plain, 0));
	SAY(sys_kill(sys_getpid(), SIGUSR1));
	say("%d %d\n", (long)count, (long)signo);
	SAY(act(SIGUSR1, informed, SA_SIGINFO | SA_RESTART));
	SAY(sys_kill(sys_getpid(), SIGUSR1));
	say("%d %d %d %d %d\n", (long)count, (long)signo, (long)code, (long)from_self, context);
	SAY(sys_rt_sigaction(SIGUSR1, 0, &old, 8));
	say("%d %x\n", (long)(old.handler == (void *)informed), (long)(old.flags & ~(unsigned long)SA_RESTORER));
	SAY(sys_rt_sigaction(SIGKILL, &old, 0, 8));
	SAY(sys_rt_sigaction(0, 0, &old, 8));
	SAY(sys_rt_sigaction(65, &old, 0, 8));
	SAY(sys_rt_sigaction(SIGUSR1, 0, &old, 4));
	/* Back to a handler of one argument, and the answer says what was there. */
	struct sigaction one = old;
	one.handler = (void *)plain;
	one.flags &= ~(unsigned long)SA_SIGINFO;
	SAY(sys_rt_sigaction(SIGUSR1, &one, &old, 8));
	SAY(old.handler == (void *)informed);
	SAY(sys_kill(sys_getpid(), SIGUSR1));
	say("%d\n", (long)count);

	struct siginfo info;
	memset(&info, 0, sizeof info);
	info.signo = SIGRTMIN;
	info.code = -1;
	info.pid = sys_getpid();
	info.number = 4711;
	uint64_t set = 1ull << (SIGRTMIN - 1), empty = 0, pending;
	act(SIGRTMIN, informed, SA_SIGINFO);
	SAY(sys_rt_sigprocmask(0, &set, &empty, 8));
	SAY(sys_rt_sigqueueinfo(sys_getpid(), SIGRTMIN, &info));
	info.number = 4712;
	SAY(sys_rt_sigqueueinfo(sys_getpid(), SIGRTMIN, &info));
	SAY(sys_rt_sigpending(&pending, 8));
	SAY(pending == set);
	struct timespec now = {0, 0};
	struct siginfo got;
	SAY(sys_rt_sigtimedwait(&set, &got, &now, 8));
	say("%d %d %d\n", (long)got.signo, (long)got.code, (long)got.number);
	SAY(sys_rt_sigprocmask(1, &set, 0, 8));
	say("%d %d %d\n", (long)signo, (long)code, (long)number);
	SAY(sys_rt_sigtimedwait(&set, &got, &now, 8));

	act(SIGUSR2, informed, SA_SIGINFO);
	act(SIGHUP, nested, SA_SIGINFO);
	count = 0;
	SAY(sys_kill(sys_getpid(), SIGHUP));
	say("%d\n", (long)count);

	act(SIGUSR2, plain, SA_RESETHAND);
	sys_kill(sys_getpid(), SIGUSR2);
	sys_rt_sigaction(SIGUSR2, 0, &old, 8);
	SAY(old.handler == 0);

	act(SIGTERM, SIG_IGN, 0);
	SAY(sys_kill(sys_getpid(), SIGTERM));
	sys_rt_sigaction(SIGTERM, 0, &old, 8);
	SAY(old.handler == SIG_IGN);
	act(SIGTERM, 0, 0);

	/* A timer interrupts a read. */
	int fds[2];
	char byte;
	sys_pipe2(fds, 0);
	act(SIGALRM, plain, 0);
	struct itimerval timer = {{0, 0}, {0, 20000}}, before;
	SAY(sys_setitimer(0, &timer, &before));
	SAY(before.value.sec + before.value.usec);
	SAY(sys_read(fds[0], &byte, 1));
	SAY(sys_getitimer(0, &before));
	SAY(before.value.sec + before.value.usec + before.interval.usec);

	/* A child tells how it ended; another inherits the handler and its information. */
	act(SIGCHLD, informed, SA_SIGINFO | SA_RESTART);
	int pid = sys_fork(), status;
	if (pid == 0) sys_exit_group(9);
	SAY(sys_wait4(pid, &status, 0, 0) == pid);
	say("%x %d %d %d\n", (long)status, (long)signo, (long)code, (long)number);
	act(SIGCHLD, 0, 0);
	pid = sys_fork();
	if (pid == 0) {
		act(SIGRTMIN, informed, SA_SIGINFO);
		sys_kill(sys_getpid(), SIGRTMIN);
		say("child: %d %d %d\n", (long)signo, (long)code, (long)from_self);
		sys_kill(sys_getpid(), SIGTERM);
		sys_exit_group(1);
	}
	memset(&got, 0, sizeof got);
	struct rusage usage;
	SAY(sys_waitid(1, pid, &got, 4, &usage));
	say("%d %d %d %d\n", (long)got.signo, (long)got.code, (long)got.status, (long)(got.pid == pid));
	SAY(usage.utime.sec + usage.stime.sec < 100);
	return 0;
}

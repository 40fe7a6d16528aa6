// Real-time signals: order, values, limits; who may queue what; waiting with a set.
#include "check.h"
#include <sys/resource.h>
#include <sys/syscall.h>

#ifndef SYS_rt_sigtimedwait
#define SYS_rt_sigtimedwait SYS_rt_sigtimedwait_time64
#endif

static void queue(int signal, int value)
{
	MUST(sigqueue(getpid(), signal, (union sigval){ .sival_int = value }));
}

static void take(const sigset_t *set)
{
	siginfo_t info;
	struct timespec now = { 0, 0 };
	int signal = sigtimedwait(set, &info, &now);
	if (signal == -1) printf("nothing more: %s\n", error_name(errno));
	else printf("SIGRTMIN+%d, value %d, queued: %s\n", signal - SIGRTMIN, info.si_value.sival_int,
		info.si_code == SI_QUEUE ? "yes" : "no");
}

// The lowest number first, each in the order in which it was sent.
static void order(void)
{
	sigset_t set, one;
	sigemptyset(&set);
	for (int i = 0; i < 4; i++) sigaddset(&set, SIGRTMIN + i);
	sigemptyset(&one);
	sigaddset(&one, SIGRTMIN + 3);
	MUST(sigprocmask(SIG_BLOCK, &set, 0));
	queue(SIGRTMIN + 2, 1);
	queue(SIGRTMIN + 3, 2);
	queue(SIGRTMIN, 3);
	queue(SIGRTMIN + 2, 4);
	queue(SIGRTMIN, 5);
	queue(SIGRTMIN + 3, 6);
	take(&one);
	for (int i = 0; i < 6; i++) take(&set);
}

// Standard signals do not queue: the first one counts.
static void merge(void)
{
	sigset_t set;
	siginfo_t info;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	MUST(sigprocmask(SIG_BLOCK, &set, 0));
	queue(SIGUSR1, 1);
	queue(SIGUSR1, 2);
	SHOW(sigwaitinfo(&set, &info));
	SHOW(info.si_value.sival_int);
	take(&set);
}

static void limits(void)
{
	struct rlimit limit, old;
	sigset_t set;
	union sigval value = { .sival_int = 1 };
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGUSR1);
	MUST(sigprocmask(SIG_BLOCK, &set, 0));
	MUST(getrlimit(RLIMIT_SIGPENDING, &old));
	limit = old;
	limit.rlim_cur = 0;
	MUST(setrlimit(RLIMIT_SIGPENDING, &limit));
	SHOW(sigqueue(getpid(), SIGRTMIN, value));
	// A standard signal comes all the same, but says nothing of its sender.
	siginfo_t info;
	SHOW(sigqueue(getpid(), SIGUSR1, value));
	memset(&info, 1, sizeof info);
	SHOW(sigwaitinfo(&set, &info));
	SHOW_BOOL(info.si_code == SI_USER && info.si_pid == 0);
	SHOW(kill(getpid(), SIGUSR1));
	SHOW(sigwaitinfo(&set, &info));
	MUST(setrlimit(RLIMIT_SIGPENDING, &old));
	SHOW(sigqueue(getpid(), SIGRTMIN, value));
	take(&set);
}

static void refusals(void)
{
	siginfo_t info;
	memset(&info, 0, sizeof info);
	info.si_code = SI_QUEUE;
	SHOW(syscall(SYS_rt_sigqueueinfo, getpid(), 65, &info));
	SHOW(syscall(SYS_rt_sigqueueinfo, getpid(), -1, &info));
	SHOW(syscall(SYS_rt_sigqueueinfo, getpid(), 0, &info));
	SHOW(syscall(SYS_rt_sigqueueinfo, 999999, SIGUSR1, &info));
	SHOW(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, BAD_POINTER));
	SHOW(syscall(SYS_rt_tgsigqueueinfo, -1, getpid(), SIGUSR1, &info));
	SHOW(syscall(SYS_rt_tgsigqueueinfo, getpid(), 0, SIGUSR1, &info));
	SHOW(syscall(SYS_rt_tgsigqueueinfo, getppid(), getpid(), SIGUSR1, &info));
	SHOW(syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), 0, &info));
	// Nobody else may be told that the kernel sent it.
	info.si_code = SI_USER;
	SHOW(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &info));
	info.si_code = SI_KERNEL;
	SHOW(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &info));
	info.si_code = SI_TKILL;
	SHOW(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &info));
	SHOW(syscall(SYS_rt_tgsigqueueinfo, getppid(), getppid(), 0, &info));
}

static void waits(void)
{
	sigset_t set;
	siginfo_t info;
	struct timespec bad = { 0, 1000000000 }, none = { 0, 0 };
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	SHOW(sigtimedwait(&set, &info, &bad));
	SHOW(sigtimedwait(&set, &info, &none));
	SHOW(syscall(SYS_rt_sigtimedwait, BAD_POINTER, &info, 0, 8));
	SHOW(syscall(SYS_rt_sigtimedwait, &set, &info, 0, 3));
	// Taken without a look at what it says.
	queue(SIGRTMIN, 9);
	SHOW_BOOL(sigwaitinfo(&set, 0) == SIGRTMIN);
	queue(SIGRTMIN, 10);
	int signal;
	SHOW(sigwait(&set, &signal));
	SHOW_BOOL(signal == SIGRTMIN);
	MUST(sigprocmask(SIG_UNBLOCK, &set, 0));
}

int main(void)
{
	setvbuf(stdout, 0, _IOLBF, 0);
	order();
	merge();
	limits();
	refusals();
	waits();
	return 0;
}

// Handlers, masks, order, flags of sigaction, jumps out of handlers.
#include "check.h"
#include <setjmp.h>

static volatile int nr_calls, depth, deepest;
static volatile sig_atomic_t last;
static sigjmp_buf place;

static void count(int signal)
{
	nr_calls++;
	last = signal;
}

static void print(int signal)
{
	printf("handler of %d\n", signal);
}

static void nested(int signal)
{
	depth++;
	if (depth > deepest) deepest = depth;
	if (++nr_calls < 3) raise(signal);
	depth--;
}

static void with_info(int signal, siginfo_t *info, void *context)
{
	printf("signal %d, in info %d, code %s, from itself: %s, context: %s\n", signal, info->si_signo,
		info->si_code == SI_TKILL ? "SI_TKILL" : info->si_code == SI_USER ? "SI_USER"
			: info->si_code == SI_QUEUE ? "SI_QUEUE" : "?",
		info->si_pid == getpid() ? "yes" : "no", context ? "yes" : "no");
	if (info->si_code == SI_QUEUE) printf("value %d\n", info->si_value.sival_int);
}

static void jump(int signal)
{
	siglongjmp(place, signal);
}

static void show_blocked(const char *when, int signal)
{
	sigset_t mask;
	MUST(sigprocmask(SIG_BLOCK, 0, &mask));
	printf("%s: %d %s\n", when, signal, sigismember(&mask, signal) ? "blocked" : "not blocked");
}

static void show_blocked_inside(int signal)
{
	show_blocked("in its handler", signal);
	show_blocked("in its handler", SIGUSR2);
}

static void install(int signal, void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
	sigemptyset(&action.sa_mask);
	MUST(sigaction(signal, &action, 0));
}

static void basics(void)
{
	struct sigaction old;
	install(SIGUSR1, print, 0);
	SHOW(raise(SIGUSR1));
	SHOW(kill(getpid(), SIGUSR1));
	SHOW(sigaction(SIGUSR1, 0, &old));
	SHOW_BOOL(old.sa_handler == print);
	SHOW(kill(getpid(), 0));
	SHOW(kill(999999, 0));
	SHOW(kill(getpid(), 65));
	SHOW(kill(getpid(), -1));
	SHOW(sigaction(SIGKILL, &old, 0));
	SHOW(sigaction(SIGSTOP, &old, 0));
	SHOW(sigaction(0, &old, 0));
	SHOW(sigaction(65, &old, 0));
	signal(SIGUSR1, SIG_IGN);
	SHOW(raise(SIGUSR1));
	// Ignored by nature.
	SHOW(raise(SIGCHLD));
	SHOW(raise(SIGURG));
	SHOW(raise(SIGWINCH));
	SHOW(raise(SIGCONT));
}

static void masks(void)
{
	sigset_t two, pending, old;
	sigemptyset(&two);
	sigaddset(&two, SIGUSR1);
	sigaddset(&two, SIGUSR2);
	// While one handler runs the other waits: else the last one set up would run first.
	struct sigaction action = { .sa_handler = print, .sa_mask = two };
	MUST(sigaction(SIGUSR1, &action, 0));
	MUST(sigaction(SIGUSR2, &action, 0));
	MUST(sigprocmask(SIG_BLOCK, &two, &old));
	raise(SIGUSR2);
	raise(SIGUSR1);
	raise(SIGUSR1);
	MUST(sigpending(&pending));
	SHOW_BOOL(sigismember(&pending, SIGUSR1) && sigismember(&pending, SIGUSR2));
	SHOW_BOOL(sigismember(&pending, SIGTERM));
	printf("now unblocked\n");
	MUST(sigprocmask(SIG_SETMASK, &old, 0));
	MUST(sigpending(&pending));
	SHOW_BOOL(sigismember(&pending, SIGUSR1));

	// Ignoring a pending signal throws it away.
	MUST(sigprocmask(SIG_BLOCK, &two, 0));
	raise(SIGUSR1);
	signal(SIGUSR1, SIG_IGN);
	install(SIGUSR1, print, 0);
	MUST(sigprocmask(SIG_UNBLOCK, &two, 0));
	printf("nothing came\n");
	SHOW(sigprocmask(99, &two, 0));

	// SIGKILL and SIGSTOP cannot be blocked.
	sigset_t all;
	sigfillset(&all);
	MUST(sigprocmask(SIG_BLOCK, &all, &old));
	show_blocked("all", SIGKILL);
	show_blocked("all", SIGSTOP);
	show_blocked("all", SIGTERM);
	MUST(sigprocmask(SIG_SETMASK, &old, 0));
}

static void flags(void)
{
	struct sigaction action = { .sa_handler = show_blocked_inside };
	sigemptyset(&action.sa_mask);
	sigaddset(&action.sa_mask, SIGUSR2);
	MUST(sigaction(SIGUSR1, &action, 0));
	raise(SIGUSR1);
	show_blocked("afterwards", SIGUSR1);

	nr_calls = 0;
	install(SIGUSR1, nested, 0);
	raise(SIGUSR1);
	printf("without SA_NODEFER: %d calls, depth %d\n", nr_calls, deepest);
	nr_calls = deepest = 0;
	install(SIGUSR1, nested, SA_NODEFER);
	raise(SIGUSR1);
	printf("with SA_NODEFER: %d calls, depth %d\n", nr_calls, deepest);

	struct sigaction old;
	install(SIGUSR1, print, SA_RESETHAND);
	raise(SIGUSR1);
	MUST(sigaction(SIGUSR1, 0, &old));
	SHOW_BOOL(old.sa_handler == SIG_DFL);

	struct sigaction info = { .sa_sigaction = with_info, .sa_flags = SA_SIGINFO };
	sigemptyset(&info.sa_mask);
	MUST(sigaction(SIGUSR1, &info, 0));
	raise(SIGUSR1);
	kill(getpid(), SIGUSR1);
	SHOW(sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 42 }));
}

// Real-time signals queue; others do not.
static void queues(void)
{
	sigset_t set;
	int rt = SIGRTMIN + 1;
	sigemptyset(&set);
	sigaddset(&set, rt);
	sigaddset(&set, SIGUSR2);
	install(rt, count, 0);
	install(SIGUSR2, count, 0);
	MUST(sigprocmask(SIG_BLOCK, &set, 0));
	nr_calls = 0;
	for (int i = 0; i < 3; i++) raise(SIGUSR2);
	for (int i = 0; i < 3; i++) raise(rt);
	MUST(sigprocmask(SIG_UNBLOCK, &set, 0));
	printf("3 of each: %d calls\n", nr_calls);
}

static void jumps(void)
{
	install(SIGUSR1, jump, 0);
	int value = sigsetjmp(place, 1);
	printf("sigsetjmp: %d\n", value);
	if (!value) raise(SIGUSR1);
	show_blocked("after siglongjmp", SIGUSR1);
	for (volatile int i = 0; i < 1000; i++)
		if (!sigsetjmp(place, 1)) raise(SIGUSR1);
	printf("1000 jumps\n");

	// Without the mask the signal stays blocked.
	if (!sigsetjmp(place, 0)) raise(SIGUSR1);
	show_blocked("after a jump without mask", SIGUSR1);
}

int main(void)
{
	setvbuf(stdout, 0, _IOLBF, 0);
	basics();
	masks();
	flags();
	queues();
	jumps();
	return 0;
}

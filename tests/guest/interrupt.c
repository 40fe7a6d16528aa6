// Signals and calls that wait: EINTR, SA_RESTART, sigsuspend, sigtimedwait, alarms.
#include "check.h"
#include <poll.h>
#include <sys/time.h>

static volatile int nr_calls;

static void count(int signal)
{
	(void)signal;
	nr_calls++;
}

static void install(int signal, int flags)
{
	struct sigaction action = { .sa_handler = count, .sa_flags = flags };
	sigemptyset(&action.sa_mask);
	MUST(sigaction(signal, &action, 0));
}

static void timer_ms(int ms)
{
	struct itimerval timer = { .it_value = { ms / 1000, ms % 1000 * 1000 } };
	MUST(setitimer(ITIMER_REAL, &timer, 0));
}

// A child that writes a byte after a while, and signals its parent before that.
static int helper(const char *signal_first)
{
	if (signal_first) {
		sleep_ms(50);
		kill(getppid(), SIGUSR1);
	}
	sleep_ms(100);
	return write(1, "x", 1) == 1 ? 0 : 1;
}

static pid_t start_helper(char *self, int out, int in)
{
	posix_spawn_file_actions_t actions;
	char *argv[] = { self, (char *)"helper", (char *)"signal", 0 };
	pid_t pid;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out, 1);
	posix_spawn_file_actions_addclose(&actions, in);
	int error = posix_spawn(&pid, self, &actions, 0, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (error) exit(99);
	return pid;
}

static void reads(char *self)
{
	int p[2];
	char c;
	MUST(pipe(p));
	install(SIGUSR1, 0);
	nr_calls = 0;
	pid_t pid = start_helper(self, p[1], p[0]);
	SHOW(read(p[0], &c, 1));
	printf("handler calls: %d\n", nr_calls);
	SHOW(read(p[0], &c, 1));
	show_end("helper", pid);

	install(SIGUSR1, SA_RESTART);
	nr_calls = 0;
	pid = start_helper(self, p[1], p[0]);
	SHOW(read(p[0], &c, 1));
	printf("handler calls: %d\n", nr_calls);
	show_end("helper", pid);

	// A signal with nobody to handle it interrupts nothing.
	signal(SIGUSR1, SIG_IGN);
	pid = start_helper(self, p[1], p[0]);
	SHOW(read(p[0], &c, 1));
	show_end("helper", pid);
	close(p[0]);
	close(p[1]);
}

static void sleeps(void)
{
	struct timespec wanted = { 10, 0 }, left = { 0, 0 };
	install(SIGALRM, 0);
	timer_ms(50);
	SHOW(nanosleep(&wanted, &left));
	SHOW_BOOL(left.tv_sec == 9 || left.tv_sec == 10);
	// SA_RESTART does not help a sleep with a handler.
	install(SIGALRM, SA_RESTART);
	timer_ms(50);
	SHOW(nanosleep(&wanted, &left));
	timer_ms(50);
	SHOW(pause());
	timer_ms(50);
	SHOW(poll(0, 0, 10000));
	alarm(100);
	SHOW(alarm(0));
	SHOW(alarm(0));

	struct itimerval timer = { .it_interval = { 0, 10000 }, .it_value = { 0, 10000 } }, got;
	nr_calls = 0;
	MUST(setitimer(ITIMER_REAL, &timer, 0));
	while (nr_calls < 5) pause();
	MUST(getitimer(ITIMER_REAL, &got));
	SHOW_BOOL(got.it_interval.tv_usec == 10000);
	memset(&timer, 0, sizeof timer);
	SHOW(setitimer(ITIMER_REAL, &timer, 0));
	timer.it_value.tv_usec = 1000000;
	SHOW(setitimer(ITIMER_REAL, &timer, 0));
	SHOW(setitimer(77, &timer, 0));
}

static void waits(void)
{
	sigset_t set, empty, old;
	siginfo_t info;
	sigemptyset(&empty);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGALRM);
	install(SIGUSR1, 0);
	MUST(sigprocmask(SIG_BLOCK, &set, &old));
	nr_calls = 0;
	raise(SIGUSR1);
	printf("handler calls: %d\n", nr_calls);
	SHOW(sigsuspend(&empty));
	printf("handler calls: %d\n", nr_calls);
	sigset_t now;
	MUST(sigprocmask(SIG_BLOCK, 0, &now));
	SHOW_BOOL(sigismember(&now, SIGUSR1));

	raise(SIGUSR1);
	SHOW(sigwaitinfo(&set, &info));
	printf("handler calls: %d\n", nr_calls);
	SHOW_BOOL(info.si_pid == getpid());
	struct timespec none = { 0, 0 }, soon = { 0, 20000000 };
	SHOW(sigtimedwait(&set, &info, &none));
	SHOW(sigtimedwait(&set, &info, &soon));
	int got;
	timer_ms(30);
	SHOW(sigwait(&set, &got));
	printf("got %d\n", got);
	MUST(sigprocmask(SIG_SETMASK, &old, 0));
}

static void children(char *self)
{
	int status;
	install(SIGCHLD, 0);
	nr_calls = 0;
	pid_t pid = start_role(self, "quick", 0, 0);
	while (!nr_calls) sleep_ms(5);
	printf("SIGCHLD: %d\n", nr_calls);
	show_end("quick", pid);

	install(SIGUSR1, 0);
	pid = start_role(self, "slow", 0, 0);
	SHOW(waitpid(pid, &status, 0) == pid ? 1 : -1);
	show_end("slow", pid);

	// Whoever ignores SIGCHLD gets no zombies.
	signal(SIGCHLD, SIG_IGN);
	pid = start_role(self, "quick", 0, 0);
	SHOW(waitpid(pid, &status, 0));
	signal(SIGCHLD, SIG_DFL);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		if (!strcmp(argv[1], "helper")) return helper(argv[2]);
		if (!strcmp(argv[1], "quick")) return 0;
		sleep_ms(50);
		kill(getppid(), SIGUSR1);
		sleep_ms(50);
		return 3;
	}
	reads(argv[0]);
	sleeps();
	waits();
	children(argv[0]);
	return 0;
}

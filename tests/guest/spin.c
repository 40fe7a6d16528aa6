// Programs that make no calls: timers, limits and signals reach them all the same.
#include "check.h"
#include <sched.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>

static volatile int nr_calls;
static volatile int last_signal;

static void count(int signal)
{
	nr_calls++;
	last_signal = signal;
}

static void count_to_ten(int signal)
{
	(void)signal;
	if (++nr_calls == 10) _exit(10);
}

static void install(int signal, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler };
	sigemptyset(&action.sa_mask);
	MUST(sigaction(signal, &action, 0));
}

static void timer_ms(int which, int ms)
{
	struct timeval value = { ms / 1000, ms % 1000 * 1000 };
	struct itimerval timer = { value, value };
	MUST(setitimer(which, &timer, 0));
}

static long long now_ms(clockid_t clock)
{
	struct timespec now;
	MUST(clock_gettime(clock, &now));
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

// Computes until a handler has run so often.
static void spin_until(int nr)
{
	while (nr_calls < nr) {
	}
}

// What a child does, by its role: none of them makes a call once it has started.
static int role(const char *name)
{
	if (!strcmp(name, "count")) {
		install(SIGALRM, count_to_ten);
		timer_ms(ITIMER_REAL, 100);
	} else if (!strcmp(name, "limit")) {
		struct rlimit limit = { 1, 2 };
		install(SIGXCPU, count);
		MUST(setrlimit(RLIMIT_CPU, &limit));
	} else if (!strcmp(name, "soft")) {
		struct rlimit limit = { 1, RLIM_INFINITY };
		MUST(setrlimit(RLIMIT_CPU, &limit));
	} else if (!strcmp(name, "term")) {
		install(SIGTERM, count_to_ten);
		nr_calls = 9;
	}
	for (;;) {
	}
}

static long long ms_of(struct timeval time)
{
	return time.tv_sec * 1000LL + time.tv_usec / 1000;
}

// Waits for a child; how much of a processor it used, which Linux may count in ticks and tell short.
static long long show_end_and_time(const char *what, pid_t pid)
{
	struct rusage usage;
	int status = 0;
	MUST(wait4(pid, &status, 0, &usage));
	show_status(what, status);
	return ms_of(usage.ru_utime) + ms_of(usage.ru_stime);
}

static void test_alarms(const char *self)
{
	long long before = now_ms(CLOCK_MONOTONIC);
	pid_t pid = start_role(self, "count", 0, 0);
	show_end("ten alarms", pid);
	long long took = now_ms(CLOCK_MONOTONIC) - before;
	SHOW_BOOL(took >= 1000);
	SHOW_BOOL(took < 5000);

	install(SIGALRM, count);
	nr_calls = 0;
	timer_ms(ITIMER_REAL, 20);
	spin_until(3);
	timer_ms(ITIMER_REAL, 0);
	printf("signal %d\n", last_signal);
}

static void test_own_time(void)
{
	install(SIGVTALRM, count);
	install(SIGPROF, count);
	static const struct {
		const char *name;
		int which;
	} timers[] = { { "virtual", ITIMER_VIRTUAL }, { "profile", ITIMER_PROF } };
	for (int i = 0; i < 2; i++) {
		struct itimerval left;
		nr_calls = 0;
		timer_ms(timers[i].which, 50);
		sleep_ms(120);
		printf("%s: %d while asleep\n", timers[i].name, nr_calls);
		MUST(getitimer(timers[i].which, &left));
		SHOW_BOOL(ms_of(left.it_value) > 20);
		SHOW_BOOL(ms_of(left.it_interval) == 50);
		long long before = now_ms(CLOCK_PROCESS_CPUTIME_ID);
		spin_until(2);
		long long used = now_ms(CLOCK_PROCESS_CPUTIME_ID) - before;
		printf("%s: signal %d\n", timers[i].name, last_signal);
		SHOW_BOOL(used >= 50);
		timer_ms(timers[i].which, 0);
		MUST(getitimer(timers[i].which, &left));
		SHOW_BOOL(ms_of(left.it_value) == 0);
	}
}

static void test_usage(void)
{
	struct rusage before, after;
	struct tms ticks_before, ticks_after;
	MUST(getrusage(RUSAGE_SELF, &before));
	times(&ticks_before);
	sleep_ms(200);
	MUST(getrusage(RUSAGE_SELF, &after));
	SHOW_BOOL(ms_of(after.ru_utime) - ms_of(before.ru_utime) < 100);
	SHOW_BOOL(after.ru_nvcsw > before.ru_nvcsw);
	before = after;
	clock_t start = clock();
	while (clock() - start < CLOCKS_PER_SEC / 2) {
	}
	MUST(getrusage(RUSAGE_SELF, &after));
	times(&ticks_after);
	long long used = ms_of(after.ru_utime) + ms_of(after.ru_stime) - ms_of(before.ru_utime) - ms_of(before.ru_stime);
	SHOW_BOOL(used >= 350);
	SHOW_BOOL(used < 3000);
	long ticks = ticks_after.tms_utime + ticks_after.tms_stime - ticks_before.tms_utime - ticks_before.tms_stime;
	SHOW_BOOL(ticks >= 30);
}

static void test_limits(const char *self)
{
	long long used = show_end_and_time("soft limit", start_role(self, "soft", 0, 0));
	SHOW_BOOL(used >= 700);
	SHOW_BOOL(used < 5000);
	used = show_end_and_time("hard limit", start_role(self, "limit", 0, 0));
	SHOW_BOOL(used >= 1500);
	SHOW_BOOL(used < 6000);
}

static void test_signals(const char *self)
{
	int status;
	pid_t pid = start_role(self, "forever", 0, 0);
	sleep_ms(100);
	SHOW(kill(pid, SIGSTOP));
	MUST(waitpid(pid, &status, WUNTRACED));
	show_status("stopped", status);
	SHOW(kill(pid, SIGCONT));
	MUST(waitpid(pid, &status, WCONTINUED));
	show_status("continued", status);
	SHOW(kill(pid, SIGTERM));
	show_end("SIGTERM", pid);

	pid = start_role(self, "term", 0, 0);
	sleep_ms(100);
	SHOW(kill(pid, SIGTERM));
	show_end("handler", pid);

	pid = start_role(self, "forever", 0, 0);
	sleep_ms(100);
	SHOW(kill(pid, SIGKILL));
	show_end("SIGKILL", pid);
}

// Nice values and yields among programs that compute.
static void test_sharing(const char *self)
{
	pid_t pid = start_role(self, "forever", 0, 0);
	SHOW(setpriority(PRIO_PROCESS, (id_t)pid, 10));
	errno = 0;
	SHOW(getpriority(PRIO_PROCESS, (id_t)pid));
	for (int i = 0; i < 100; i++) MUST(sched_yield());
	printf("100 yields\n");
	MUST(kill(pid, SIGKILL));
	show_end("nice", pid);
}

int main(int argc, char **argv)
{
	if (argc > 1) return role(argv[1]);
	test_alarms(argv[0]);
	test_own_time();
	test_usage();
	test_limits(argv[0]);
	test_signals(argv[0]);
	test_sharing(argv[0]);
	return 0;
}

// POSIX timers: signals with values, intervals, overruns, processor time, errors; clock_nanosleep.
#include "check.h"

static volatile sig_atomic_t nr_signals, last_value, last_code;

static void on_signal(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	nr_signals++;
	last_value = info->si_value.sival_int;
	last_code = info->si_code;
}

static struct itimerspec spec(long value_ms, long interval_ms)
{
	struct itimerspec s = { { interval_ms / 1000, interval_ms % 1000 * 1000000 },
		{ value_ms / 1000, value_ms % 1000 * 1000000 } };
	return s;
}

static long long ms(const struct timespec *t)
{
	return t->tv_sec * 1000LL + t->tv_nsec / 1000000;
}

static long long since(clockid_t clock, const struct timespec *start)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return ms(&now) - ms(start);
}

static void wait_for_signals(int count)
{
	for (int i = 0; nr_signals < count && i < 500; i++)
		sleep_ms(10);
}

static void burn(int milliseconds)
{
	struct timespec start;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
	while (since(CLOCK_PROCESS_CPUTIME_ID, &start) < milliseconds) {
		for (volatile int i = 0; i < 10000; i++) {
		}
	}
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "burn")) {
		sleep_ms(30);
		burn(150);
		return 0;
	}
	if (argc > 1) {
		// What its parent has set did not come along, and sends nothing.
		struct itimerspec s;
		timer_t none;
		memset(&none, 0, sizeof none);
		SHOW(timer_gettime(none, &s));
		sleep_ms(60);
		return 0;
	}
	timer_t timer, other;
	struct itimerspec s, old;
	struct timespec start;
	struct sigevent event;
	struct sigaction action;
	memset(&action, 0, sizeof action);
	action.sa_sigaction = on_signal;
	action.sa_flags = SA_SIGINFO;
	sigaction(SIGALRM, &action, 0);
	sigaction(SIGUSR1, &action, 0);
	sigaction(SIGRTMIN + 1, &action, 0);

	printf("-- errors\n");
	memset(&event, 0, sizeof event);
	event.sigev_notify = SIGEV_SIGNAL;
	event.sigev_signo = 65;
	SHOW(timer_create(CLOCK_MONOTONIC, &event, &timer));
	event.sigev_signo = 0;
	SHOW(timer_create(CLOCK_MONOTONIC, &event, &timer));
	event.sigev_signo = SIGUSR1;
	event.sigev_notify = 77;
	SHOW(timer_create(CLOCK_MONOTONIC, &event, &timer));
	event.sigev_notify = SIGEV_SIGNAL;
	SHOW(timer_create(77, &event, &timer));
	timer = (timer_t)(intptr_t)12345;
	SHOW_BOOL(timer_delete(timer) != 0);
	SHOW(timer_getoverrun(timer));

	printf("-- once, with a value\n");
	event.sigev_value.sival_int = 42;
	SHOW(timer_create(CLOCK_MONOTONIC, &event, &timer));
	SHOW(timer_gettime(timer, &s));
	SHOW_BOOL(!s.it_value.tv_sec && !s.it_value.tv_nsec);
	s = spec(0, 0);
	s.it_value.tv_nsec = 1000000000;
	SHOW(timer_settime(timer, 0, &s, 0));
	s = spec(300, 0);
	clock_gettime(CLOCK_MONOTONIC, &start);
	SHOW(timer_settime(timer, 0, &s, &old));
	SHOW_BOOL(!old.it_value.tv_sec && !old.it_value.tv_nsec);
	timer_gettime(timer, &s);
	SHOW_BOOL(ms(&s.it_value) <= 300 && (s.it_value.tv_sec || s.it_value.tv_nsec));
	wait_for_signals(1);
	SHOW_BOOL(since(CLOCK_MONOTONIC, &start) >= 299);
	SHOW(nr_signals);
	SHOW(last_value);
	SHOW_BOOL(last_code == SI_TIMER);
	SHOW(timer_getoverrun(timer));
	timer_gettime(timer, &s);
	SHOW_BOOL(!s.it_value.tv_sec && !s.it_value.tv_nsec);

	printf("-- in intervals\n");
	nr_signals = 0;
	s = spec(10, 10);
	clock_gettime(CLOCK_MONOTONIC, &start);
	SHOW(timer_settime(timer, 0, &s, 0));
	wait_for_signals(5);
	SHOW_BOOL(since(CLOCK_MONOTONIC, &start) >= 49);
	s = spec(0, 0);
	SHOW(timer_settime(timer, 0, &s, &old));
	SHOW(ms(&old.it_interval));
	int before = nr_signals;
	sleep_ms(40);
	SHOW_BOOL(nr_signals == before);

	printf("-- overrun\n");
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, 0);
	s = spec(10, 10);
	MUST(timer_settime(timer, 0, &s, 0));
	sleep_ms(105);
	siginfo_t info;
	SHOW_BOOL(sigwaitinfo(&set, &info) == SIGUSR1);
	SHOW(info.si_value.sival_int);
	SHOW_BOOL(info.si_code == SI_TIMER);
	int overrun = timer_getoverrun(timer);
	SHOW_BOOL(overrun >= 8 && info.si_overrun == overrun);
	SHOW_BOOL(sigwaitinfo(&set, &info) == SIGUSR1);
	SHOW_BOOL(info.si_overrun == timer_getoverrun(timer));
	MUST(timer_delete(timer));
	sigset_t pending;
	sigpending(&pending);
	SHOW(sigismember(&pending, SIGUSR1));
	sigprocmask(SIG_UNBLOCK, &set, 0);

	printf("-- a default event, a point in time, two with one signal\n");
	nr_signals = 0;
	SHOW(timer_create(CLOCK_REALTIME, 0, &timer));
	clock_gettime(CLOCK_REALTIME, &s.it_value);
	s.it_interval = spec(0, 0).it_interval;
	SHOW(timer_settime(timer, TIMER_ABSTIME, &s, 0));
	wait_for_signals(1);
	SHOW(nr_signals);
	SHOW_BOOL(last_code == SI_TIMER);
	MUST(timer_delete(timer));
	SHOW(timer_create(CLOCK_MONOTONIC, &event, &timer));
	event.sigev_value.sival_int = 43;
	SHOW(timer_create(CLOCK_BOOTTIME, &event, &other));
	sigprocmask(SIG_BLOCK, &set, 0);
	s = spec(5, 0);
	MUST(timer_settime(timer, 0, &s, 0));
	s = spec(25, 0);
	MUST(timer_settime(other, 0, &s, 0));
	sleep_ms(60);
	SHOW_BOOL(sigwaitinfo(&set, &info) == SIGUSR1);
	SHOW(info.si_value.sival_int);
	SHOW_BOOL(sigwaitinfo(&set, &info) == SIGUSR1);
	SHOW(info.si_value.sival_int);
	sigprocmask(SIG_UNBLOCK, &set, 0);

	printf("-- without a signal\n");
	event.sigev_notify = SIGEV_NONE;
	timer_t silent;
	SHOW(timer_create(CLOCK_MONOTONIC, &event, &silent));
	s = spec(300, 0);
	MUST(timer_settime(silent, 0, &s, 0));
	timer_gettime(silent, &s);
	SHOW_BOOL(s.it_value.tv_sec || s.it_value.tv_nsec);
	sleep_ms(320);
	timer_gettime(silent, &s);
	SHOW_BOOL(!s.it_value.tv_sec && !s.it_value.tv_nsec);
	SHOW(timer_delete(silent));

	printf("-- processor time\n");
	nr_signals = 0;
	event.sigev_notify = SIGEV_SIGNAL;
	event.sigev_signo = SIGRTMIN + 1;
	SHOW(timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &silent));
	s = spec(50, 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
	SHOW(timer_settime(silent, 0, &s, 0));
	sleep_ms(80);
	SHOW(nr_signals);
	for (int i = 0; !nr_signals && i < 100; i++)
		burn(10);
	SHOW(nr_signals);
	SHOW_BOOL(since(CLOCK_PROCESS_CPUTIME_ID, &start) >= 49);
	SHOW(timer_delete(silent));

	printf("-- a child has none\n");
	s = spec(20, 0);
	MUST(timer_settime(timer, 0, &s, 0));
	show_end("child", start_role(argv[0], "look", 0, 0));

	printf("-- clock_nanosleep\n");
	struct timespec request = { 0, 30000000 }, left;
	printf("%s\n", error_name(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &request, 0)));
	printf("%s\n", error_name(clock_nanosleep(77, 0, &request, 0)));
	printf("%s\n", error_name(clock_nanosleep(CLOCK_MONOTONIC_COARSE, 0, &request, 0)));
	request.tv_nsec = -1;
	printf("%s\n", error_name(clock_nanosleep(CLOCK_MONOTONIC, 0, &request, 0)));
	clockid_t clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI };
	for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
		clock_gettime(CLOCK_MONOTONIC, &start);
		request = (struct timespec){ 0, 30000000 };
		int relative = clock_nanosleep(clocks[i], 0, &request, 0);
		clock_gettime(clocks[i], &request);
		request.tv_nsec += 30000000;
		if (request.tv_nsec >= 1000000000) {
			request.tv_nsec -= 1000000000;
			request.tv_sec++;
		}
		int absolute = clock_nanosleep(clocks[i], TIMER_ABSTIME, &request, 0);
		printf("clock %d: %d %d %s\n", (int)clocks[i], relative, absolute,
			since(CLOCK_MONOTONIC, &start) >= 59 ? "slept" : "too short");
	}
	nr_signals = 0;
	s = spec(300, 0);
	MUST(timer_settime(other, 0, &s, 0));
	request = (struct timespec){ 5, 0 };
	left = (struct timespec){ 0, 0 };
	printf("interrupted: %s\n", error_name(clock_nanosleep(CLOCK_MONOTONIC, 0, &request, &left)));
	SHOW_BOOL(left.tv_sec == 4);
	pid_t child = start_role(argv[0], "burn", 0, 0);
	clockid_t theirs;
	clock_getcpuclockid(child, &theirs);
	request = (struct timespec){ 0, 100000000 };
	printf("on the time of a child: %d\n", clock_nanosleep(theirs, TIMER_ABSTIME, &request, 0));
	struct timespec used;
	if (!clock_gettime(theirs, &used)) SHOW_BOOL(ms(&used) >= 99);
	show_end("child", child);
	return 0;
}

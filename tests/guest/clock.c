// Clocks and sleeps.
#include "check.h"
#include <sys/time.h>
#include <sys/times.h>

static long long now_ns(clockid_t clock)
{
	struct timespec t;
	MUST(clock_gettime(clock, &t));
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(void)
{
	struct timespec t = { 0, 0 };
	struct timeval tv;
	struct tms tms;
	long long a, b;

	SHOW(clock_gettime(CLOCK_REALTIME, &t));
	SHOW_BOOL(t.tv_sec > 1700000000 && t.tv_nsec >= 0 && t.tv_nsec < 1000000000);
	SHOW(clock_gettime(CLOCK_MONOTONIC, &t));
	SHOW(clock_gettime(CLOCK_BOOTTIME, &t));
	SHOW(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t));
	SHOW(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t));
	SHOW(clock_gettime(CLOCK_MONOTONIC_RAW, &t));
	SHOW(clock_gettime(CLOCK_REALTIME_COARSE, &t));
	SHOW(clock_gettime(77, &t));
	SHOW(clock_getres(CLOCK_MONOTONIC, &t));
	SHOW_BOOL(t.tv_sec == 0 && t.tv_nsec > 0);
	SHOW(gettimeofday(&tv, 0));
	SHOW_BOOL(llabs(tv.tv_sec * 1000000000LL + tv.tv_usec * 1000LL - now_ns(CLOCK_REALTIME)) < 1000000000);
	SHOW_BOOL(llabs(time(0) - tv.tv_sec) <= 1);
	SHOW_OK(times(&tms));

	int backwards = 0;
	a = now_ns(CLOCK_MONOTONIC);
	for (int i = 0; i < 10000; i++) {
		b = now_ns(CLOCK_MONOTONIC);
		backwards += b < a;
		a = b;
	}
	printf("backwards: %d\n", backwards);

	a = now_ns(CLOCK_MONOTONIC);
	t = (struct timespec){ 0, 20000000 };
	SHOW(nanosleep(&t, 0));
	b = now_ns(CLOCK_MONOTONIC);
	SHOW_BOOL(b - a >= 20000000);
	a = now_ns(CLOCK_MONOTONIC) + 20000000;
	t = (struct timespec){ a / 1000000000, a % 1000000000 };
	SHOW(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, 0));
	SHOW_BOOL(now_ns(CLOCK_MONOTONIC) >= a);
	SHOW(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, 0));
	t = (struct timespec){ 0, 1000000000 };
	SHOW(nanosleep(&t, 0));
	t = (struct timespec){ -1, 0 };
	SHOW(nanosleep(&t, 0));
	t = (struct timespec){ 0, 0 };
	SHOW(nanosleep(&t, 0));
	SHOW(clock_nanosleep(77, 0, &t, 0) == EINVAL);

	a = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	for (volatile int i = 0; i < 30000000; i++) {
	}
	SHOW_BOOL(now_ns(CLOCK_PROCESS_CPUTIME_ID) > a);
	return 0;
}

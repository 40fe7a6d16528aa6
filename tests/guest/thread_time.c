// The processor time of threads: clocks of their own, and getrusage(2) of one.
#include "check.h"
#include <pthread.h>
#include <sys/resource.h>

static long long clock_ms(clockid_t clock)
{
	struct timespec time;
	MUST(clock_gettime(clock, &time));
	return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

static long long usage_ms(int who)
{
	struct rusage usage;
	MUST(getrusage(who, &usage));
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000LL +
		(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

static void work(long long ms)
{
	long long end = clock_ms(CLOCK_THREAD_CPUTIME_ID) + ms;
	while (clock_ms(CLOCK_THREAD_CPUTIME_ID) < end) {
	}
}

static pthread_mutex_t done = PTHREAD_MUTEX_INITIALIZER;

static void *worker(void *unused)
{
	(void)unused;
	work(200);
	SHOW_BOOL(usage_ms(RUSAGE_THREAD) >= 150);
	fflush(stdout);
	pthread_mutex_lock(&done);
	return 0;
}

int main(void)
{
	pthread_t thread;
	clockid_t clock, own;
	work(20);
	SHOW_BOOL(usage_ms(RUSAGE_THREAD) >= 10);
	fflush(stdout);
	pthread_mutex_lock(&done);
	pthread_create(&thread, 0, worker, 0);
	printf("%d %d\n", pthread_getcpuclockid(thread, &clock), pthread_getcpuclockid(pthread_self(), &own));
	fflush(stdout);
	while (clock_ms(clock) < 200) sleep_ms(5);
	sleep_ms(20);
	long long theirs = clock_ms(clock), mine = clock_ms(CLOCK_THREAD_CPUTIME_ID);
	SHOW_BOOL(mine < theirs);
	SHOW_BOOL(clock_ms(own) >= mine && clock_ms(own) < mine + 50);
	SHOW_BOOL(clock_ms(CLOCK_PROCESS_CPUTIME_ID) >= theirs + mine);
	SHOW_BOOL(usage_ms(RUSAGE_THREAD) + 100 < usage_ms(RUSAGE_SELF));
	pthread_mutex_unlock(&done);
	pthread_join(thread, 0);
	SHOW_BOOL(usage_ms(RUSAGE_SELF) >= 200);
	SHOW(getrusage(7, 0));
	struct timespec time;
	SHOW(clock_gettime(-1, &time));
	SHOW(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &(struct timespec){ 0, 1 }, 0) == EINVAL);
	return 0;
}

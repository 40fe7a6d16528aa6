// Two threads of one program that compute, at once: nanoseconds until both have ended.
#include "bench.h"

#include <pthread.h>

enum { NR_STEPS = 300000000 };

static void *compute(void *result)
{
	unsigned long long x = 88172645463325252ULL;
	for (int i = 0; i < NR_STEPS; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	*(unsigned long long *)result = x;
	return 0;
}

int main(void)
{
	pthread_t threads[2];
	unsigned long long results[2];
	double start = now_ns();
	for (int i = 0; i < 2; i++)
		if (pthread_create(&threads[i], 0, compute, &results[i])) fail("pthread_create");
	for (int i = 0; i < 2; i++)
		if (pthread_join(threads[i], 0) || results[i] == 0) fail("pthread_join");
	printf("%.1f\n", now_ns() - start);
	return 0;
}

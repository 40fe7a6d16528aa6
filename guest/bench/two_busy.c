// Two programs that compute, at once: nanoseconds until both have ended. The argument "near" holds
// both on this program's processor; else they run where the system likes.
#include "bench.h"

enum { NR_STEPS = 60000000 };

static int compute(void)
{
	unsigned long long x = 88172645463325252ULL;
	for (int i = 0; i < NR_STEPS; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	return x == 0;
}

int main(int argc, char **argv)
{
	const char *where = argc > 1 ? argv[1] : 0;
	pid_t pids[2];
	int status;
	if (where && !strcmp(where, "compute")) return compute();
	if (where && !strcmp(where, "any")) where = 0;
	double start = now_ns();
	for (int i = 0; i < 2; i++) pids[i] = start_role(argv[0], "compute", where, 0, 1, 0, 0);
	for (int i = 0; i < 2; i++)
		if (waitpid(pids[i], &status, 0) != pids[i] || status) fail("waitpid");
	printf("%.1f\n", now_ns() - start);
	return 0;
}

// How long a program that makes no system call lives on after SIGKILL, until it is waited for, and
// how late a sleeping process wakes beside it; medians. The argument "near" or "far" says where it spins.
#include "bench.h"

enum { NR_ROUNDS = 21, NAP_NS = 30000000 };

static int spin(void)
{
	if (write(1, "r", 1) != 1) return 1;
	for (volatile unsigned counter = 0;; counter++) {
	}
}

int main(int argc, char **argv)
{
	const char *where = argc > 1 ? argv[1] : 0;
	double killed[NR_ROUNDS], late[NR_ROUNDS];
	cpu_set_t all;
	if (where && !strcmp(where, "spin")) return spin();
	if (sched_getaffinity(0, sizeof all, &all)) fail("sched_getaffinity");
	for (int round = 0; round < NR_ROUNDS; round++) {
		// The round before has bound this program.
		if (sched_setaffinity(0, sizeof all, &all)) fail("sched_setaffinity");
		int ready[2], status;
		char c;
		if (pipe(ready)) fail("pipe");
		pid_t pid = start_role(argv[0], "spin", where, 0, ready[1], ready, 2);
		close(ready[1]);
		if (read(ready[0], &c, 1) != 1) fail("read");
		close(ready[0]);
		// Longer than any slice.
		double start = now_ns();
		nanosleep(&(struct timespec){ .tv_nsec = NAP_NS }, 0);
		double awake = now_ns();
		if (kill(pid, SIGKILL) || waitpid(pid, &status, 0) != pid) fail("kill");
		killed[round] = now_ns() - awake;
		late[round] = awake - start - NAP_NS;
		if (!WIFSIGNALED(status)) fail("status");
	}
	report("killed", median(killed, NR_ROUNDS));
	report("late", median(late, NR_ROUNDS));
	return 0;
}

// Signals reach recursion that has no loop and makes no call, and leave its frames as they are.
#include "check.h"
#include <setjmp.h>
#include <sys/time.h>

static volatile int nr_alarms, nr_wrong;
static int wanted, jumps;
static sigjmp_buf outside;

static void on_alarm(int signal)
{
	(void)signal;
	nr_alarms++;
	if (jumps) siglongjmp(outside, nr_alarms);
}

static void alarm_each_ms(int ms)
{
	struct itimerval timer = { { 0, ms * 1000 }, { 0, ms * 1000 } };
	MUST(setitimer(ITIMER_REAL, &timer, 0));
}

// Never returns by itself: 2^60 calls. Each looks after its frame.
static unsigned tree(int depth, unsigned seed)
{
	volatile unsigned words[4] = { seed, seed + 1, seed * 3, ~seed };
	if (depth == 0 || nr_alarms >= wanted) return seed;
	unsigned sum = tree(depth - 1, seed * 2) + tree(depth - 1, seed * 2 + 1);
	if (words[0] != seed || words[1] != seed + 1 || words[2] != seed * 3 || words[3] != ~seed)
		nr_wrong++;
	return sum;
}

static unsigned odd(unsigned depth, unsigned n);

// Two that call each other, once through a pointer.
static unsigned (*volatile odd_pointer)(unsigned, unsigned) = odd;

static unsigned even(unsigned depth, unsigned n)
{
	if (depth == 0 || nr_alarms >= wanted) return n;
	return odd_pointer(depth - 1, n) + odd_pointer(depth - 1, n + 1);
}

static unsigned odd(unsigned depth, unsigned n)
{
	if (depth == 0 || nr_alarms >= wanted) return n;
	return even(depth - 1, n) ^ even(depth - 1, n + 1);
}

int main(void)
{
	struct sigaction action = { .sa_handler = on_alarm };
	sigemptyset(&action.sa_mask);
	MUST(sigaction(SIGALRM, &action, 0));
	alarm_each_ms(20);

	wanted = 3;
	tree(60, 1);
	printf("tree: %d alarms, %d frames wrong\n", nr_alarms >= 3, nr_wrong);

	nr_alarms = 0;
	even(60, 1);
	printf("even and odd: %d\n", nr_alarms >= 3);

	wanted = 1 << 30;
	jumps = 1;
	nr_alarms = 0;
	if (sigsetjmp(outside, 1) < 3) tree(60, 1);
	jumps = 0;
	alarm_each_ms(0);
	// One more may have come before the timer stopped.
	printf("jumped out: %d, %d frames wrong\n", nr_alarms >= 3, nr_wrong);
	return 0;
}

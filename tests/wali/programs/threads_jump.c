/* Threads that jump: each in its own frames, all at once, and away from handlers and calls that wait. */
#include "wali.h"

enum { THREADS = 4, TURNS = 300 };
#include "threads.h"

static volatile int ended[THREADS], gate, wrong;
static jmp_buf bufs[THREADS];
static int results[THREADS];

static __attribute__((noinline)) int fall(int index, int height)
{
	volatile int here = height;
	if (height == 0) longjmp(bufs[index], index + 1);
	return fall(index, height - 1) + here;
}

static void work(int index)
{
	volatile int turn = 0, sum = 0;
	while (!__atomic_load_n(&gate, __ATOMIC_SEQ_CST)) sys_futex((int *)&gate, 0, 0, 0, 0, 0);
	int got = setjmp(bufs[index]);
	if (got && got != index + 1) wrong = 1;
	sum += got;
	if (turn++ < TURNS) {
		/* Others come between. */
		if (turn % 50 == 0) {
			struct timespec moment = {0, 1000000};
			sys_nanosleep(&moment, 0);
		}
		fall(index, 5 + index);
	}
	results[index] = sum;
	__atomic_store_n(&ended[index], 1, __ATOMIC_SEQ_CST);
	sys_futex((int *)&ended[index], 1, 1, 0, 0, 0);
}

int run(int argc, char **argv)
{
	(void)argc, (void)argv;
	jmp_buf here;
	volatile int back = 0;
	for (int i = 0; i < THREADS; i++) SAY(spawn(i) > 0);
	if (setjmp(here) == 0) {
		__atomic_store_n(&gate, 1, __ATOMIC_SEQ_CST);
		sys_futex((int *)&gate, 1, THREADS, 0, 0, 0);
	}
	for (int i = 0; i < THREADS; i++) {
		while (!__atomic_load_n(&ended[i], __ATOMIC_SEQ_CST)) sys_futex((int *)&ended[i], 0, 0, 0, 0, 0);
		if (back < 2) {
			back++;
			longjmp(here, 1);
		}
	}
	for (int i = 0; i < THREADS; i++) SAY(results[i]);
	SAY(wrong);
	SAY(back);
	return 0;
}

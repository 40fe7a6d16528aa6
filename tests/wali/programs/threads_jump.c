/* Threads that jump: each in its own frames, all at once, and away from handlers and calls that wait. */
#include "wali.h"

enum { THREADS = 4, TURNS = 300 };
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

#ifdef __wasm__
ASIDE(__wasm_thread_spawn) int wali_spawn(void *function, void *argument);
struct start { void *stack, *tls; int index; };
static struct start starts[THREADS];
static char stacks[THREADS][16384] __attribute__((aligned(16)));

void run_thread(int tid, struct start *start)
{
	(void)tid;
	work(start->index);
	sys_exit(0);
}

/* The first function of a thread has no stack yet. */
__asm__(".globaltype __stack_pointer, i32\n"
	".globl __wasm_thread_start_libc\n"
	"__wasm_thread_start_libc:\n"
	"	.functype __wasm_thread_start_libc (i32, i32) -> ()\n"
	"	local.get 1\n	i32.load 0\n	global.set __stack_pointer\n"
	"	local.get 0\n	local.get 1\n	call run_thread\n	end_function\n"
	"	.functype run_thread (i32, i32) -> ()\n"
	".export_name __wasm_thread_start_libc, __wasm_thread_start_libc\n");
void __wasm_thread_start_libc(int tid, struct start *start);

static int spawn(int index)
{
	starts[index] = (struct start){stacks[index] + sizeof stacks[0], 0, index};
	return wali_spawn((void *)__wasm_thread_start_libc, &starts[index]);
}
#else
/* Its header has structures of the same names as ours. */
int pthread_create(unsigned long *thread, const void *attributes, void *(*begin)(void *), void *argument);
static void *begin(void *index)
{
	work((int)(long)index);
	return 0;
}
static int spawn(int index)
{
	unsigned long thread;
	return pthread_create(&thread, 0, begin, (void *)(long)index) == 0 ? 1 : -1;
}
#endif

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

/* Threads: `spawn` starts one that calls `work(index)` and ends. Whoever includes this says how many (`THREADS`). */
#include "wali.h"

static void work(int index);

#ifdef __wasm__
ASIDE(__wasm_thread_spawn) int wali_spawn(void *function, void *argument);
struct start { void *stack, *tls; int index; };
static struct start starts[THREADS];
static char stacks[THREADS][16384] __attribute__((aligned(16)));
static int tids[THREADS];

void run_thread(int tid, struct start *start)
{
	if (tid != sys_gettid()) say("another thread id\n");
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
	return tids[index] = wali_spawn((void *)__wasm_thread_start_libc, &starts[index]);
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

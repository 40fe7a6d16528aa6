/* Threads: they share memory and descriptors, wait for each other, and each has a stack. */
#include "wali.h"

enum { THREADS = 4, TURNS = 1000 };
static volatile int total, ended[THREADS], ids[THREADS], gate;

static void work(int index)
{
	char local[64];
	memset(local, index, sizeof local);
	while (!__atomic_load_n(&gate, __ATOMIC_SEQ_CST)) sys_futex((int *)&gate, 0, 0, 0, 0, 0);
	for (int i = 0; i < TURNS; i++) __atomic_fetch_add(&total, 1, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < sizeof local; i++)
		if (local[i] != index) say("a stack is shared\n");
	ids[index] = sys_gettid();
	__atomic_store_n(&ended[index], 1, __ATOMIC_SEQ_CST);
	sys_futex((int *)&ended[index], 1, 1, 0, 0, 0);
}

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

int run(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (int i = 0; i < THREADS; i++) SAY(spawn(i) > 0);
	__atomic_store_n(&gate, 1, __ATOMIC_SEQ_CST);
	sys_futex((int *)&gate, 1, THREADS, 0, 0, 0);
	for (int i = 0; i < THREADS; i++)
		while (!__atomic_load_n(&ended[i], __ATOMIC_SEQ_CST)) sys_futex((int *)&ended[i], 0, 0, 0, 0, 0);
	SAY(total);
	for (int i = 0; i < THREADS; i++) {
		for (int j = 0; j < i; j++)
			if (ids[i] == ids[j]) say("a thread id is shared\n");
		if (ids[i] == sys_getpid()) say("a thread has the process's id\n");
	}
#ifdef __wasm__
	for (int i = 0; i < THREADS; i++)
		if (tids[i] != ids[i]) say("spawn told another id\n");
#endif
	struct timespec limit = {0, 1000000};
	SAY(sys_futex((int *)&total, 0, total, &limit, 0, 0));
	SAY(sys_futex((int *)&total, 0, 1, 0, 0, 0));
	return 0;
}

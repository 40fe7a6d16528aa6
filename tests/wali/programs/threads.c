/* Threads: they share memory and descriptors, wait for each other, and each has a stack. */
#include "wali.h"

enum { THREADS = 4, TURNS = 1000 };
#include "threads.h"

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

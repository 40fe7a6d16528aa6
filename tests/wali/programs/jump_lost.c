/* A jump to a function that has returned: glibc finds it out where the frame would be below this one. */
#include "wali.h"

static jmp_buf buf;

#ifdef __wasm__
#define __longjmp_chk longjmp
#else
void __longjmp_chk(jmp_buf, int);
#endif

static __attribute__((noinline)) int set(int depth)
{
	volatile char room[1000];
	room[depth] = 0;
	if (depth > 0) return set(depth - 1) + room[depth];
	int value = setjmp(buf);
	if (value) say("in a frame that is gone\n");
	return value;
}

int run(int argc, char **argv)
{
	(void)argc, (void)argv;
	/* This frame has a buffer, too. */
	jmp_buf other;
	volatile int here = setjmp(other);
	SAY(here);
	SAY(set(10));
	say("now\n");
	__longjmp_chk(buf, 1);
	return 0;
}

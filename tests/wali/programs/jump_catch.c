/* A jump over a frame that catches all exceptions: it is none, and runs nothing there. */
#include "wali.h"

static jmp_buf buf;
int nr_caught;

void inner(int how)
{
	if (how) longjmp(buf, how);
}

/* Calls `inner`, and counts what it catches. */
void guarded(int how);

#ifndef __wasm__
void guarded(int how)
{
	inner(how);
}
#elif defined(FIRST_FORM)
__asm__("guarded:\n	.functype guarded (i32) -> ()\n"
	"	try\n	local.get 0\n	call inner\n"
	"	catch_all\n	i32.const nr_caught\n	i32.const 1\n	i32.store 0\n	rethrow 0\n	end_try\n"
	"	end_function\n"
	"	.functype inner (i32) -> ()\n");
#else
__asm__("guarded:\n	.functype guarded (i32) -> ()\n"
	"	block\n	try_table (catch_all 0)\n	local.get 0\n	call inner\n	return\n	end_try_table\n	end_block\n"
	"	i32.const nr_caught\n	i32.const 1\n	i32.store 0\n"
	"	end_function\n"
	"	.functype inner (i32) -> ()\n");
#endif

/* Has a jump of its own between. */
static __attribute__((noinline)) int both(int how)
{
	jmp_buf own;
	volatile int turns = 0;
	int got = setjmp(own);
	if (turns++ < 2) longjmp(own, turns);
	guarded(how);
	return got;
}

int run(int argc, char **argv)
{
	(void)argc, (void)argv;
	volatile int how = 0;
	int got = setjmp(buf);
	say("%d: %d\n", (long)got, (long)nr_caught);
	if (how < 4) {
		how++;
		guarded(how);
	}
	how = 10;
	got = setjmp(buf);
	say("%d: %d\n", (long)got, (long)nr_caught);
	if (got == 0) both(how);
	SAY(both(0));
	say("%d\n", (long)nr_caught);
	return 0;
}

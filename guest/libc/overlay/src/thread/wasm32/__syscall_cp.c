/* Cancellation points of a program that never cancels: see pthread_cancel.c. */
#include "pthread_impl.h"
#include "syscall.h"

static long begin(long nr)
{
	return 0;
}

static long end(long nr, long result)
{
	return result;
}

weak_alias(begin, __wasm_cp_begin);
weak_alias(end, __wasm_cp_end);

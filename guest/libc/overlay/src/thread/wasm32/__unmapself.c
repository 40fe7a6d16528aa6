#include "pthread_impl.h"
#include "syscall.h"

/* The thread's stack in memory goes with the mapping: nothing here may use it afterwards, and
 * nothing does, as both calls take their words from the WebAssembly stack. */
void __unmapself(void *base, size_t size)
{
	__syscall(SYS_munmap, base, size);
	__syscall(SYS_exit, 0);
	__builtin_trap();
}

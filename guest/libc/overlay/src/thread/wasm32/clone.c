/* clone(): with CLONE_VM|CLONE_VFORK a loan of the caller's instance (process/wasm32/vfork.c),
 * otherwise a thread: a new instance over the same memory, entered at __wasm_thread_start. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdarg.h>
#include "pthread_impl.h"
#include "syscall.h"

int __vfork_call(int (*)(void *), void *);

/* At the top of the new thread's stack; the export below reads the first two words. */
struct start {
	void *stack_pointer;
	void *thread_pointer;
	int (*function)(void *);
	void *argument;
};

int __clone(int (*function)(void *), void *stack, int flags, void *argument, ...)
{
	const int loan = CLONE_VM | CLONE_VFORK;
	if ((flags & loan) == loan) return __vfork_call(function, argument);

	va_list ap;
	va_start(ap, argument);
	void *parent_tid = va_arg(ap, void *);
	void *tp = va_arg(ap, void *);
	void *child_tid = va_arg(ap, void *);
	va_end(ap);

	struct start *start = (void *)(((uintptr_t)stack - sizeof *start) & -16);
	*start = (struct start){ start, tp, function, argument };
	return __syscall(SYS_clone, flags, start, parent_tid, tp, child_tid);
}

/* In crt1-mt.o: see env/wasm32/__init_tls.c. */
extern weak void __wasm_tls_start(void *);

void __wasm_thread_main(struct start *start)
{
	if (__wasm_tls_start) __wasm_tls_start(__pthread_self()->dtv);
	__syscall(SYS_exit, start->function(start->argument));
	__builtin_trap();
}

/* The kernel calls this export in the new instance. It is written in assembly, since C code
 * would use the stack pointer before it is set. */
__asm__(
	".globaltype __stack_pointer, i32\n"
	".functype __wasm_thread_main (i32) -> ()\n"
	".globl __wasm_thread_start\n"
	".type __wasm_thread_start,@function\n"
	".export_name __wasm_thread_start, __wasm_thread_start\n"
	"__wasm_thread_start:\n"
	"	.functype __wasm_thread_start (i32) -> ()\n"
	"	local.get 0\n"
	"	i32.load 0\n"
	"	global.set __stack_pointer\n"
	"	local.get 0\n"
	"	i32.load 4\n"
	"	global.set __wasm_thread_pointer\n"
	"	local.get 0\n"
	"	call __wasm_thread_main\n"
	"	end_function\n");

/* vfork(), and clone(CLONE_VM|CLONE_VFORK), without a second stack.
 *
 * The kernel lends the calling instance the identity of the child: process id, descriptors,
 * handlers, working directory. vfork(2) returns 0 to it. When the child execs or exits, the
 * kernel gives the identity of the parent back, and that system call returns to the same
 * instance once more, with the child's process id. libc then jumps to where vfork was called.
 *
 *   parent --vfork()=0--> as child --execve()=pid--> __vfork_return --longjmp--> parent
 *
 * vfork is a macro (see unistd.h), since setjmp must run in the frame of its caller. Calls may
 * nest: a child may itself vfork. Each thread has its own stack of contexts.
 *
 * A child that a signal kills makes no further call. For it the kernel calls the export
 * __vfork_return, as it would call a handler. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <unistd.h>
#include "syscall.h"

#define NESTING 8

static _Thread_local struct {
	jmp_buf at[NESTING];
	int depth;
	pid_t child;
} loans;

/* Leaves the child's code for good; nothing happens outside of a vfork child. */
__attribute__((__export_name__("__vfork_return"))) void __vfork_return(pid_t child)
{
	if (!loans.depth) return;
	loans.child = child;
	longjmp(loans.at[--loans.depth], 1);
}

/* Where the next vfork keeps its place; the last entry is never entered. */
void *__vfork_buf(void)
{
	return loans.at[loans.depth];
}

pid_t __vfork_child(void)
{
	if (loans.depth == NESTING - 1) {
		errno = EAGAIN;
		return -1;
	}
	long r = __syscall(SYS_vfork);
	if (r == 0) loans.depth++;
	return __syscall_ret(r);
}

pid_t __vfork_parent(void)
{
	return loans.child;
}

/* For clone(): runs f in a child, and returns its process id or an error number below zero. */
int __vfork_call(int (*f)(void *), void *arg)
{
	if (setjmp(loans.at[loans.depth])) return loans.child;
	if (__vfork_child() < 0) return -errno;
	_exit(f(arg));
}

/* Through a pointer there is no frame to come back to. */
#undef vfork
pid_t vfork(void)
{
	errno = ENOSYS;
	return -1;
}

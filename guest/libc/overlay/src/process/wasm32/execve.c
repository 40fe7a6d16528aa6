#include <unistd.h>
#include "syscall.h"

static void none(int pid)
{
}
weak_alias(none, __vfork_return);

/* In a vfork child a success returns, with the child's process id: see vfork.c. */
int execve(const char *path, char *const argv[], char *const envp[])
{
	int r = __syscall(SYS_execve, path, argv, envp);
	if (r > 0) __vfork_return(r);
	return __syscall_ret(r);
}

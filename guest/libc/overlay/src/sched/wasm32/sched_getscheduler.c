#include <sched.h>
#include "syscall.h"

/* See sched_getparam.c. */
int sched_getscheduler(pid_t pid)
{
	return syscall(SYS_sched_getscheduler, pid);
}

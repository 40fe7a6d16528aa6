#include <sched.h>
#include "syscall.h"

/* musl refuses this call and the three beside it, since Linux's act on one thread and POSIX's on a
 * process. We do as glibc does: programs expect the first thread's. */
int sched_getparam(pid_t pid, struct sched_param *param)
{
	return syscall(SYS_sched_getparam, pid, param);
}

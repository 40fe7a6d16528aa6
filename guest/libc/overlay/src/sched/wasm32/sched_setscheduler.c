#include <sched.h>
#include "syscall.h"

/* See sched_getparam.c. */
int sched_setscheduler(pid_t pid, int policy, const struct sched_param *param)
{
	return syscall(SYS_sched_setscheduler, pid, policy, param);
}

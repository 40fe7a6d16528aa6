// Scheduling policies of threads: each has its own, and leaves it to those it makes.
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>

static const struct sched_param none = { .sched_priority = 0 };
static pthread_barrier_t meeting;
static pid_t worker;

static pid_t own_tid(void)
{
	return (pid_t)syscall(SYS_gettid);
}

static void show_own(const char *who)
{
	struct sched_param param = { .sched_priority = 7 };
	int error = sched_getparam(0, &param);
	printf("%s: policy %d, %d priority %d\n", who, sched_getscheduler(0), error, param.sched_priority);
	fflush(stdout);
}

static void *heir(void *unused)
{
	(void)unused;
	show_own("a thread of the worker");
	return 0;
}

static void *work(void *unused)
{
	pthread_t thread;
	(void)unused;
	worker = own_tid();
	SHOW(sched_setscheduler(worker, SCHED_BATCH, &none));
	show_own("the worker");
	pthread_create(&thread, 0, heir, 0);
	pthread_join(thread, 0);
	pid_t child = fork();
	if (child == 0) {
		show_own("a child of the worker");
		_exit(0);
	}
	show_end("child", child);
	pthread_barrier_wait(&meeting);
	pthread_barrier_wait(&meeting);
	show_own("the worker later");
	return 0;
}

int main(void)
{
	pthread_t thread;
	struct sched_param param = { .sched_priority = 7 };
	pthread_barrier_init(&meeting, 0, 2);
	pthread_create(&thread, 0, work, 0);
	pthread_barrier_wait(&meeting);
	show_own("the first thread");
	SHOW(sched_getscheduler(worker));
	SHOW(sched_getparam(worker, &param));
	SHOW(param.sched_priority);
	SHOW(sched_setscheduler(worker, SCHED_OTHER, &none));
	SHOW(sched_setscheduler(0, SCHED_BATCH | SCHED_RESET_ON_FORK, &none));
	SHOW(sched_getscheduler(getpid()) == (SCHED_BATCH | SCHED_RESET_ON_FORK));
	pthread_barrier_wait(&meeting);
	pthread_join(thread, 0);
	while (sched_getscheduler(worker) != -1) sleep_ms(1);
	SHOW(sched_getscheduler(worker));
	SHOW(sched_setparam(0, &(struct sched_param){ .sched_priority = 1 }));
	SHOW(sched_setparam(-1, &none));
	SHOW(sched_setscheduler(0, 77, &none));
	SHOW(sched_getscheduler(-1));
	SHOW(sched_getparam(0, 0));
	return 0;
}

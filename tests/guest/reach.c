// Calls that reach into other processes or compare them, scheduling policies, and what is refused.
#include "check.h"
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

// The first version of struct sched_attr.
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static int kcmp(pid_t a, pid_t b, int type, unsigned long first, unsigned long second)
{
	int order = syscall(SYS_kcmp, a, b, type, first, second);
	return order > 0 ? 1 : order;
}

static void comparisons(pid_t child)
{
	int copy = dup(0), other = open("/dev/null", O_RDONLY);
	SHOW(kcmp(getpid(), getpid(), 0, 0, copy));
	SHOW(kcmp(getpid(), getpid(), 0, 0, other));
	SHOW(kcmp(getpid(), getpid(), 0, 0, 99));
	SHOW(kcmp(getpid(), child, 0, 0, 0));
	SHOW(kcmp(getpid(), child, 1, 0, 0));
	SHOW(kcmp(getpid(), child, 2, 0, 0));
	SHOW(kcmp(getpid(), getpid(), 1, 0, 0));
	SHOW(kcmp(getpid(), 999999, 1, 0, 0));
	SHOW(kcmp(getpid(), getpid(), 99, 0, 0));
	close(copy);
	close(other);
}

// A child's memory: it says where its text is, and what it holds after it was written to.
static void memory(char *self)
{
	int up[2], down[2];
	char there[16] = "", numbers[2][12];
	unsigned long address;
	MUST(pipe(up));
	MUST(pipe(down));
	snprintf(numbers[0], sizeof numbers[0], "%d", up[1]);
	snprintf(numbers[1], sizeof numbers[1], "%d", down[0]);
	pid_t pid = start_role(self, "memory", numbers[0], numbers[1]);
	MUST(read(up[0], &address, sizeof address));
	struct iovec local[2] = { { there, 4 }, { there + 8, 4 } }, remote = { (void *)address, 8 };
	SHOW(process_vm_readv(pid, local, 2, &remote, 1, 0));
	printf("[%.4s] [%.4s]\n", there, there + 8);
	struct iovec from = { (char *)"written", 8 };
	SHOW(process_vm_writev(pid, &from, 1, &remote, 1, 0));
	MUST(write(down[1], "x", 1));
	char text[16] = "";
	MUST(read(up[0], text, 8));
	printf("[%s]\n", text);
	SHOW(process_vm_readv(pid, local, 2, &remote, 1, 1));
	remote.iov_base = BAD_POINTER;
	SHOW(process_vm_readv(pid, local, 2, &remote, 1, 0));
	SHOW(process_vm_readv(999999, local, 2, &remote, 1, 0));
	SHOW(process_vm_readv(pid, local, 0, &remote, 0, 0));
	// Its own.
	remote.iov_base = text;
	SHOW(process_vm_readv(getpid(), local, 1, &remote, 1, 0));
	printf("[%.4s]\n", there);
	comparisons(pid);
	kill(pid, SIGKILL);
	show_end("child", pid);
	SHOW(process_vm_readv(pid, local, 2, &remote, 1, 0));
}

static int show_memory(int out, int in)
{
	static char text[8] = "abcdefg";
	unsigned long address = (unsigned long)(uintptr_t)text;
	char c;
	MUST(write(out, &address, sizeof address));
	MUST(read(in, &c, 1));
	MUST(write(out, text, 8));
	for (;;) pause();
}

static void policies(void)
{
	struct sched_param param = { 0 };
	struct attributes attributes;
	memset(&attributes, 0, sizeof attributes);
	SHOW(syscall(SYS_sched_getscheduler, 0));
	SHOW(syscall(SYS_sched_getscheduler, -1));
	SHOW(syscall(SYS_sched_getscheduler, 999999));
	SHOW(syscall(SYS_sched_getparam, 0, &param));
	SHOW(param.sched_priority);
	SHOW(syscall(SYS_sched_getparam, 0, 0));
	SHOW(syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &param));
	SHOW(syscall(SYS_sched_getscheduler, 0));
	SHOW(syscall(SYS_sched_setscheduler, 0, 77, &param));
	SHOW(syscall(SYS_sched_setscheduler, 0, -1, &param));
	SHOW(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, 0));
	param.sched_priority = 5;
	SHOW(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &param));
	SHOW(syscall(SYS_sched_setparam, 0, &param));
	param.sched_priority = 100;
	SHOW(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &param));
	param.sched_priority = 0;
	SHOW(syscall(SYS_sched_setscheduler, 0, SCHED_RR, &param));
	SHOW(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &param));
	SHOW(sched_get_priority_max(SCHED_FIFO));
	SHOW(sched_get_priority_min(SCHED_RR));
	SHOW(sched_get_priority_max(SCHED_IDLE));
	SHOW(sched_get_priority_min(77));
	SHOW(syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0));
	SHOW_BOOL(attributes.size == sizeof attributes);
	printf("policy %u, nice %d, priority %u, flags %u\n", attributes.policy, attributes.nice,
		attributes.priority, (unsigned)attributes.flags);
	SHOW(syscall(SYS_sched_getattr, 0, &attributes, 47, 0));
	SHOW(syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 1));
	SHOW(syscall(SYS_sched_getattr, 0, 0, sizeof attributes, 0));
	attributes.nice = 7;
	attributes.flags = 1;
	SHOW(syscall(SYS_sched_setattr, 0, &attributes, 0));
	SHOW(getpriority(PRIO_PROCESS, 0));
	SHOW(syscall(SYS_sched_getscheduler, 0) == SCHED_RESET_ON_FORK);
	attributes.priority = 3;
	SHOW(syscall(SYS_sched_setattr, 0, &attributes, 0));
	attributes.size = 20;
	SHOW(syscall(SYS_sched_setattr, 0, &attributes, 0));
	SHOW_BOOL(attributes.size >= 48);
	SHOW(syscall(SYS_sched_setattr, 0, 0, 0));
	struct timespec interval = { -1, -1 };
	SHOW(sched_rr_get_interval(0, &interval));
	SHOW_BOOL(interval.tv_sec == 0 && interval.tv_nsec >= 0 && interval.tv_nsec < 200000000);
	SHOW(sched_rr_get_interval(-1, &interval));
	SHOW(sched_rr_get_interval(999999, &interval));
}

static void refusals(void)
{
	SHOW(syscall(SYS_membarrier, 0, 1, 0));
	SHOW(syscall(SYS_membarrier, 1 << 20, 0, 0));
	SHOW_BOOL(syscall(SYS_membarrier, 0, 0, 0) > 0);
	unsigned cpu = 999, node = 999;
	SHOW(syscall(SYS_getcpu, &cpu, &node, 0));
	SHOW_BOOL(cpu < 999 && node < 999);
	char bytes[8];
	SHOW(syscall(SYS_getrandom, bytes, 8, 0));
	SHOW(syscall(SYS_getrandom, bytes, 8, 1));
	SHOW(syscall(SYS_getrandom, bytes, 8, 2));
	SHOW(syscall(SYS_getrandom, bytes, 8, 4));
	SHOW(syscall(SYS_getrandom, bytes, 8, 6));
	SHOW(syscall(SYS_getrandom, bytes, 8, 8));
	SHOW(syscall(SYS_getrandom, BAD_POINTER, 8, 0));
	SHOW(syscall(SYS_getrandom, bytes, 0, 0));
	SHOW(syscall(SYS_personality, 0xffffffff));
}

int main(int argc, char **argv)
{
	setvbuf(stdout, 0, _IOLBF, 0);
	if (argc > 1) return show_memory(atoi(argv[2]), atoi(argv[3]));
	memory(argv[0]);
	policies();
	refusals();
	return 0;
}

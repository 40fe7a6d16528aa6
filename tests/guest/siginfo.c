// What siginfo_t says of each kind of signal, and the context beside it; alternate stacks.
#include "check.h"
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>

static volatile sig_atomic_t nr_calls;

static const char *code_name(int signal, int code)
{
	if (signal == SIGCHLD) switch (code) {
	case CLD_EXITED: return "CLD_EXITED";
	case CLD_KILLED: return "CLD_KILLED";
	case CLD_STOPPED: return "CLD_STOPPED";
	case CLD_CONTINUED: return "CLD_CONTINUED";
	}
	switch (code) {
	case SI_USER: return "SI_USER";
	case SI_KERNEL: return "SI_KERNEL";
	case SI_QUEUE: return "SI_QUEUE";
	case SI_TKILL: return "SI_TKILL";
	case SI_MESGQ: return "SI_MESGQ";
	}
	return "?";
}

static void show(int signal, siginfo_t *info, void *context)
{
	nr_calls++;
	printf("signal %d: si_signo %d, errno %d, %s", signal, info->si_signo, info->si_errno,
		code_name(signal, info->si_code));
	if (info->si_code != SI_KERNEL)
		printf(", from itself: %s, own user: %s", info->si_pid == getpid() ? "yes" : "no",
			info->si_uid == getuid() ? "yes" : "no");
	if (signal == SIGCHLD) printf(", status %d", info->si_status);
	if (info->si_code == SI_QUEUE || info->si_code == SI_MESGQ)
		printf(", value %d", info->si_value.sival_int);
	printf(", context: %s\n", context ? "yes" : "no");
}

static void on(int signal, int flags)
{
	struct sigaction action = { .sa_sigaction = show, .sa_flags = SA_SIGINFO | flags };
	sigemptyset(&action.sa_mask);
	MUST(sigaction(signal, &action, 0));
}

static void queue_own(int signal, int code, int value)
{
	siginfo_t info;
	memset(&info, 0, sizeof info);
	info.si_code = code;
	info.si_pid = getpid();
	info.si_uid = getuid();
	info.si_value.sival_int = value;
	SHOW(syscall(SYS_rt_sigqueueinfo, getpid(), signal, &info));
	SHOW(syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), signal, &info));
}

static void senders(char *self)
{
	on(SIGUSR1, 0);
	printf("kill\n");
	kill(getpid(), SIGUSR1);
	printf("raise\n");
	raise(SIGUSR1);
	printf("sigqueue\n");
	sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = -7 });
	printf("rt_sigqueueinfo\n");
	queue_own(SIGUSR1, SI_QUEUE, 5);
	queue_own(SIGUSR1, SI_MESGQ, 6);
	// To oneself, every code may be used.
	queue_own(SIGUSR1, SI_USER, 0);

	on(SIGPIPE, 0);
	int p[2];
	MUST(pipe(p));
	close(p[0]);
	SHOW(write(p[1], "x", 1));
	close(p[1]);

	on(SIGALRM, 0);
	struct itimerval timer = { .it_value = { 0, 20000 } };
	nr_calls = 0;
	MUST(setitimer(ITIMER_REAL, &timer, 0));
	while (!nr_calls) pause();

	on(SIGXFSZ, 0);
	struct rlimit limit = { 8, RLIM_INFINITY };
	MUST(setrlimit(RLIMIT_FSIZE, &limit));
	int fd = open("file", O_RDWR | O_CREAT, 0644);
	MUST(fd);
	SHOW(write(fd, "0123456789", 10));
	SHOW(write(fd, "x", 1));
	SHOW(ftruncate(fd, 9));
	close(fd);
	limit.rlim_cur = RLIM_INFINITY;
	setrlimit(RLIMIT_FSIZE, &limit);

	on(SIGUSR2, 0);
	nr_calls = 0;
	pid_t pid = start_role(self, "kill", 0, 0);
	while (!nr_calls) sleep_ms(1);
	show_end("who has sent it", pid);
}

static void wait_for_calls(int number)
{
	while (nr_calls < number) sleep_ms(1);
}

static void children(char *self)
{
	on(SIGCHLD, 0);
	nr_calls = 0;
	pid_t pid = start_role(self, "exit", 0, 0);
	wait_for_calls(1);
	show_end("child", pid);
	nr_calls = 0;
	pid = start_role(self, "wait", 0, 0);
	kill(pid, SIGSTOP);
	wait_for_calls(1);
	kill(pid, SIGCONT);
	wait_for_calls(2);
	kill(pid, SIGKILL);
	wait_for_calls(3);
	show_end("child", pid);

	on(SIGCHLD, SA_NOCLDSTOP);
	nr_calls = 0;
	pid = start_role(self, "wait", 0, 0);
	kill(pid, SIGSTOP);
	int status;
	SHOW(waitpid(pid, &status, WUNTRACED) == pid);
	show_status("stopped without a signal", status);
	kill(pid, SIGCONT);
	SHOW(waitpid(pid, &status, WCONTINUED) == pid);
	show_status("continued without a signal", status);
	SHOW((int)nr_calls);
	kill(pid, SIGTERM);
	wait_for_calls(1);
	show_end("child", pid);

	// SA_NOCLDWAIT leaves nothing to wait for, but tells.
	on(SIGCHLD, SA_NOCLDWAIT);
	nr_calls = 0;
	pid = start_role(self, "exit", 0, 0);
	wait_for_calls(1);
	SHOW(waitpid(pid, &status, 0));
	// Ignored, it is not even pending.
	sigset_t set, pending;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	MUST(sigprocmask(SIG_BLOCK, &set, 0));
	signal(SIGCHLD, SIG_IGN);
	pid = start_role(self, "exit", 0, 0);
	SHOW(waitpid(pid, &status, 0));
	MUST(sigpending(&pending));
	SHOW_BOOL(sigismember(&pending, SIGCHLD));
	signal(SIGCHLD, SIG_DFL);
	MUST(sigprocmask(SIG_UNBLOCK, &set, 0));
}

static char *stack;
static const size_t stack_size = 65536;

static void on_stack(int signal, siginfo_t *info, void *context)
{
	char local;
	stack_t old;
	ucontext_t *uc = context;
	(void)info;
	printf("signal %d: on the alternate stack: %s\n", signal,
		&local >= stack && &local < stack + stack_size ? "yes" : "no");
	MUST(sigaltstack(0, &old));
	printf("flags %d, in the context: %s\n", old.ss_flags, uc->uc_stack.ss_sp == stack ? "yes" : "no");
	old.ss_flags = 0;
	SHOW(sigaltstack(&old, 0));
	if (signal == SIGUSR1) raise(SIGUSR2);
}

static void alternate_stacks(void)
{
	stack_t new = { .ss_size = stack_size }, old;
	new.ss_sp = stack = malloc(stack_size);
	SHOW(sigaltstack(0, &old));
	SHOW(old.ss_flags);
	SHOW(sigaltstack(&new, &old));
	SHOW(sigaltstack(0, &old));
	SHOW(old.ss_flags);
	SHOW_BOOL(old.ss_sp == stack && old.ss_size == stack_size);
	struct sigaction action = { .sa_sigaction = on_stack, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	sigemptyset(&action.sa_mask);
	MUST(sigaction(SIGUSR1, &action, 0));
	MUST(sigaction(SIGUSR2, &action, 0));
	raise(SIGUSR1);
	new.ss_size = 100;
	SHOW(sigaltstack(&new, 0));
	new.ss_size = stack_size;
	new.ss_flags = 77;
	SHOW(sigaltstack(&new, 0));
	new.ss_flags = SS_DISABLE;
	SHOW(sigaltstack(&new, 0));
	SHOW(sigaltstack(0, &old));
	SHOW(old.ss_flags);
	SHOW(syscall(SYS_sigaltstack, BAD_POINTER, 0));
	raise(SIGUSR2);
	free(stack);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, 0, _IOLBF, 0);
	if (argc > 1) {
		if (!strcmp(argv[1], "exit")) return 3;
		if (!strcmp(argv[1], "kill")) return kill(getppid(), SIGUSR2) ? 1 : 0;
		for (;;) pause();
	}
	senders(argv[0]);
	children(argv[0]);
	alternate_stacks();
	return 0;
}

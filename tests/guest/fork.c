// fork: what the child has of its parent, and what each keeps for itself.
#include "check.h"
#include <limits.h>
#include <setjmp.h>
#include <sys/resource.h>
#include <sys/time.h>

static int global = 1;
static char big[300000];

// The status of a child, which it prints.
static int end_of(pid_t pid)
{
	int status = -1;
	if (waitpid(pid, &status, 0) != pid) return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static pid_t fork_flushed(void)
{
	fflush(stdout);
	return fork();
}

// Ends a child that has printed.
static void leave(int status)
{
	fflush(stdout);
	_exit(status);
}

static void memory(void)
{
	int local = 2;
	char *heap = malloc(100000);
	long long wide = 0x123456789abcdefLL;
	double real = 1.5;
	float small = 0.25f;
	strcpy(heap, "parent's");
	memset(big, 7, sizeof big);
	pid_t pid = fork_flushed();
	if (pid == 0) {
		printf("child has %d %d %s %d\n", global, local, heap, big[299999]);
		printf("child has %llx %g %g\n", wide, real, (double)small);
		global = 10;
		local = 20;
		strcpy(heap, "child's");
		memset(big, 8, sizeof big);
		char *more = malloc(1 << 20);
		memset(more, 1, 1 << 20);
		printf("child now %d %d %s %d\n", global, local, heap, big[0]);
		leave(3);
	}
	printf("end: %d\n", end_of(pid));
	SHOW_BOOL(pid > 0);
	printf("parent has %d %d %s %d\n", global, local, heap, big[0]);
	printf("parent has %llx %g %g\n", wide, real, (double)small);
	free(heap);
}

// Deep in calls, with something to do behind each.
static int deep(int depth)
{
	char mark[16];
	snprintf(mark, sizeof mark, "%d", depth);
	int below = depth == 0 ? fork_flushed() : deep(depth - 1);
	if (atoi(mark) != depth) return -1;
	return depth == 0 ? below : below == 0 ? 0 : below;
}

static int twice(int (*f)(int), int x)
{
	return f(x);
}

static int fork_there(int unused)
{
	(void)unused;
	return fork_flushed();
}

// The operands of an expression around calls that fork; the order of evaluation is C's.
static int three(int a, int b, int c)
{
	return a * 100 + b * 10 + c;
}

static int code_of_fork(int mine)
{
	pid_t pid = fork_flushed();
	if (pid == 0) return mine + 1;
	return end_of(pid) < 0 ? -1 : mine;
}

static void frames(void)
{
	pid_t pid = deep(200);
	if (pid == 0) leave(4);
	printf("deep: %d\n", end_of(pid));
	pid = twice(fork_there, 1);
	if (pid == 0) leave(5);
	printf("by pointer: %d\n", end_of(pid));

	int (*volatile of)(int) = fork_there;
	int sum = 0;
	for (int i = 0; i < 5; i++) {
		switch (i) {
		case 1:
		case 3:
			pid = of(i);
			if (pid == 0) leave(i + 10);
			sum += end_of(pid);
			break;
		case 4:
			for (int j = 0; j < 3; j++) {
				while ((pid = of(j)) == 0) leave(j);
				sum += 100 * end_of(pid);
			}
			break;
		default:
			sum += 1;
		}
	}
	printf("in loops: %d\n", sum);

	pid_t self = getpid();
	int result = 1000 + three(1, code_of_fork(2), 3);
	if (getpid() != self) leave(result - 1100);
	printf("in an expression: %d\n", result);
}

static void nested(void)
{
	pid_t pid = fork_flushed();
	if (pid == 0) {
		pid_t inner = fork_flushed();
		if (inner == 0) {
			pid_t innermost = fork_flushed();
			if (innermost == 0) leave(getppid() > 1 ? 1 : 0);
			leave(1 + end_of(innermost));
		}
		leave(1 + end_of(inner));
	}
	printf("nested: %d\n", end_of(pid));
}

static volatile int in_handler = -1;

static void on_signal(int number)
{
	pid_t pid = fork_flushed();
	if (pid == 0) {
		in_handler = 0;
		return;
	}
	in_handler = end_of(pid) + number - SIGUSR1;
}

static volatile sig_atomic_t nr_alarms;

static void on_alarm(int number)
{
	(void)number;
	nr_alarms++;
}

static void signals(void)
{
	signal(SIGUSR1, on_signal);
	raise(SIGUSR1);
	// The child comes back from its handler, too.
	if (in_handler == 0) leave(42);
	printf("in a handler: %d\n", in_handler);
	signal(SIGUSR1, SIG_IGN);

	sigset_t set, old;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, &old);
	raise(SIGUSR2);
	pid_t pid = fork_flushed();
	if (pid == 0) {
		sigset_t pending, mask;
		sigpending(&pending);
		sigprocmask(SIG_BLOCK, 0, &mask);
		struct sigaction action;
		sigaction(SIGUSR1, 0, &action);
		printf("child: pending %d, blocked %d, ignored %d\n", sigismember(&pending, SIGUSR2),
			sigismember(&mask, SIGUSR2), action.sa_handler == SIG_IGN);
		leave(0);
	}
	end_of(pid);
	sigset_t pending;
	sigpending(&pending);
	printf("parent: pending %d\n", sigismember(&pending, SIGUSR2));
	signal(SIGUSR2, SIG_IGN);
	sigprocmask(SIG_SETMASK, &old, 0);
	signal(SIGUSR2, SIG_DFL);

	signal(SIGALRM, on_alarm);
	alarm(100);
	pid = fork_flushed();
	if (pid == 0) leave(alarm(0));
	printf("child's alarm: %d\n", end_of(pid));
	SHOW_BOOL(alarm(0) > 0);

	pid = fork_flushed();
	if (pid == 0) for (;;) pause();
	kill(pid, SIGTERM);
	printf("killed: %d\n", end_of(pid));
}

static void jumps(void)
{
	jmp_buf buffer;
	volatile int turns = 0;
	int value = setjmp(buffer);
	turns++;
	if (value < 2) {
		pid_t pid = fork_flushed();
		if (pid == 0) {
			if (turns == 1) longjmp(buffer, 7);
			leave(99);
		}
		printf("child's jump: %d\n", end_of(pid));
		if (turns < 2) longjmp(buffer, 1);
	}
	if (value == 7) leave(50 + turns);
	printf("turns: %d\n", turns);
}

static void files(void)
{
	int ends[2];
	char text[32] = "";
	MUST(pipe(ends));
	pid_t pid = fork_flushed();
	if (pid == 0) {
		close(ends[0]);
		if (write(ends[1], "from the child", 15) != 15) leave(1);
		leave(0);
	}
	close(ends[1]);
	printf("read: %zd %s\n", read(ends[0], text, sizeof text), text);
	printf("end: %zd\n", read(ends[0], text, sizeof text));
	close(ends[0]);
	end_of(pid);

	// One description, two descriptors.
	int fd = open("shared", O_RDWR | O_CREAT | O_TRUNC, 0600);
	MUST(fd);
	pid = fork_flushed();
	if (pid == 0) {
		if (write(fd, "abc", 3) != 3) leave(1);
		close(fd);
		leave(0);
	}
	end_of(pid);
	printf("offset: %lld\n", (long long)lseek(fd, 0, SEEK_CUR));

	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	MUST(fcntl(fd, F_SETLK, &lock));
	pid = fork_flushed();
	if (pid == 0) {
		struct flock seen = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
		fcntl(fd, F_GETLK, &seen);
		leave(seen.l_type == F_WRLCK && seen.l_pid == getppid() ? 6 : 7);
	}
	printf("the parent's lock: %d\n", end_of(pid));
	close(fd);
	unlink("shared");

	mode_t mask = umask(027);
	pid = fork_flushed();
	if (pid == 0) {
		int had = umask(0) == 027;
		leave(chdir("/") == 0 && had ? 8 : 9);
	}
	printf("mask: %d\n", end_of(pid));
	char here[PATH_MAX];
	SHOW_BOOL(getcwd(here, sizeof here) && strcmp(here, "/"));
	SHOW_BOOL(umask(mask) == 027);
}

static void many(void)
{
	int sum = 0;
	for (int i = 0; i < 1000; i++) {
		pid_t pid = fork();
		if (pid == 0) _exit(i & 127);
		if (pid < 0) printf("round %d: %s\n", i, error_name(errno));
		sum += end_of(pid);
	}
	printf("1000 forks: %d\n", sum);

	pid_t pids[20];
	for (int i = 0; i < 20; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			sleep_ms(20);
			_exit(i);
		}
	}
	sum = 0;
	for (int i = 0; i < 20; i++) sum += end_of(pids[i]);
	printf("20 at a time: %d\n", sum);

	struct rlimit limit;
	getrlimit(RLIMIT_NPROC, &limit);
	pid_t pid = fork_flushed();
	if (pid == 0) {
		struct rlimit seen, one = { 1, limit.rlim_max };
		getrlimit(RLIMIT_NPROC, &seen);
		if (seen.rlim_cur != limit.rlim_cur) leave(1);
		// A user that has a process, this one, and no privileges.
		if (setgid(54321) || setuid(54321) || setrlimit(RLIMIT_NPROC, &one)) leave(2);
		pid_t inner = fork();
		if (inner == 0) _exit(0);
		leave(inner < 0 && errno == EAGAIN ? 11 : 12);
	}
	printf("at the limit: %d\n", end_of(pid));
}

static void orders(void)
{
	pid_t pid = fork_flushed();
	if (pid == 0) {
		pid_t child = vfork();
		if (child == 0) _exit(21);
		leave(end_of(child));
	}
	printf("vfork in a child: %d\n", end_of(pid));
	pid = fork_flushed();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", "exit 22", (char *)0);
		leave(1);
	}
	printf("exec in a child: %d\n", end_of(pid));
	pid = fork_flushed();
	if (pid == 0) {
		volatile int *wild = BAD_POINTER;
		leave(*wild);
	}
	printf("a fault in a child: %d\n", end_of(pid));
	SHOW(waitpid(-1, 0, 0));
}

int main(void)
{
	memory();
	frames();
	nested();
	signals();
	jumps();
	files();
	many();
	orders();
	return 0;
}

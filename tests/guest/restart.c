// Which calls go on after a handler that was set up with SA_RESTART, which after one without, and
// which after a stop (signal(7), "Interruption of system calls and library functions by signal handlers").
#include "check.h"
#include <poll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>

// libc's function may hide EINTR.
#ifndef SYS_rt_sigtimedwait
#define SYS_rt_sigtimedwait SYS_rt_sigtimedwait_time64
#endif

static volatile sig_atomic_t nr_calls;

static void count(int signal)
{
	(void)signal;
	nr_calls++;
}

static void install(int flags)
{
	struct sigaction action = { .sa_handler = count, .sa_flags = flags };
	sigemptyset(&action.sa_mask);
	MUST(sigaction(SIGUSR1, &action, 0));
}

// Another process, which signals this one and then does what the call waits for.
static int act(char **argv)
{
	int what = *argv[2];
	int fd = -1;
	if (what == 'l') {
		fd = open("file", O_RDWR);
		struct flock lock = { .l_type = F_WRLCK };
		MUST(fcntl(fd, F_SETLK, &lock));
		MUST(flock(fd, LOCK_EX));
		MUST(write(5, "x", 1));
	}
	sleep_ms(60);
	if (*argv[3] == 's') {
		// Stops the parent, and lets it go on.
		kill(getppid(), SIGSTOP);
		sleep_ms(60);
		kill(getppid(), SIGCONT);
	} else {
		kill(getppid(), SIGUSR1);
	}
	sleep_ms(60);
	if (what == 'r') MUST(write(4, "x", 1));
	if (what == 'f') close(open("fifo", O_WRONLY));
	return 5;
}

static char *self;
static const char *how;

static pid_t start(const char *what)
{
	nr_calls = 0;
	return start_role(self, "act", what, how);
}

// The helper may still be at it when a call has failed.
static void finish(pid_t pid)
{
	int status;
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR) {
	}
}

static void show(const char *what, long long result)
{
	int error = errno;
	printf("%s: %s, %d handler calls\n", what, result == -1 ? error_name(error) : "done", (int)nr_calls);
}

static void calls(void)
{
	char c;
	int status;
	siginfo_t info;
	pid_t pid = start("r");
	show("read", read(3, &c, 1));
	finish(pid);
	// What was not read.
	struct pollfd left = { .fd = 3, .events = POLLIN };
	while (poll(&left, 1, 0) == 1) MUST(read(3, &c, 1));
	pid = start("w");
	show("wait4", waitpid(pid, &status, 0));
	finish(pid);
	pid = start("w");
	show("waitid", waitid(P_PID, pid, &info, WEXITED));
	finish(pid);
	pid = start("f");
	int fd = open("fifo", O_RDONLY);
	show("open of a fifo", fd);
	if (fd == -1) fd = open("fifo", O_RDONLY);
	close(fd);
	finish(pid);

	fd = open("file", O_RDWR);
	struct flock lock = { .l_type = F_WRLCK };
	pid = start("l");
	MUST(read(6, &c, 1));
	show("F_SETLKW", fcntl(fd, F_SETLKW, &lock));
	finish(pid);
	close(fd);
	fd = open("file", O_RDWR);
	pid = start("l");
	MUST(read(6, &c, 1));
	show("flock", flock(fd, LOCK_EX));
	finish(pid);
	close(fd);
}

// Calls that end with EINTR whatever the handler's flags say; without a handler they go on.
static void never(void)
{
	// What a handler ends may be long; what goes on must not be.
	int ms = *how == 's' ? 300 : 10000;
	struct timespec span = { ms / 1000, ms % 1000 * 1000000L }, rest = span, long_span = { 10, 0 };
	struct timeval timeout = { ms / 1000, ms % 1000 * 1000 };
	sigset_t set, empty;
	sigemptyset(&empty);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pid_t pid = start("w");
	show("nanosleep", nanosleep(&span, 0));
	finish(pid);
	pid = start("w");
	errno = clock_nanosleep(CLOCK_MONOTONIC, 0, &span, 0);
	show("clock_nanosleep", errno ? -1 : 0);
	finish(pid);
	pid = start("w");
	show("poll", poll(0, 0, ms));
	finish(pid);
	pid = start("w");
	show("ppoll", ppoll(0, 0, &rest, &empty));
	finish(pid);
	pid = start("w");
	show("select", select(0, 0, 0, 0, &timeout));
	finish(pid);
	pid = start("w");
	show("pselect", pselect(0, 0, 0, 0, &span, &empty));
	finish(pid);
	MUST(sigprocmask(SIG_BLOCK, &set, 0));
	pid = start("w");
	show("sigtimedwait", syscall(SYS_rt_sigtimedwait, &set, 0, &long_span, 8));
	finish(pid);
	MUST(sigprocmask(SIG_UNBLOCK, &set, 0));
}

// A stop takes nothing from a sleep: it ends when it would have ended.
static void deadlines(void)
{
	struct timespec before, after, span = { 0, 300000000 };
	how = "s";
	clock_gettime(CLOCK_MONOTONIC, &before);
	pid_t pid = start("w");
	poll(0, 0, 300);
	nanosleep(&span, 0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	finish(pid);
	long ms = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
	SHOW_BOOL(ms >= 590);
}

int main(int argc, char **argv)
{
	int data[2], ready[2];
	if (argc > 1) return act(argv);
	setvbuf(stdout, 0, _IOLBF, 0);
	self = argv[0];
	MUST(pipe(data));
	MUST(pipe(ready));
	// Known numbers for the helper: 3 and 4, 5 to tell that it is ready.
	MUST(dup2(ready[1], 10));
	MUST(dup2(ready[0], 11));
	MUST(dup2(10, 5));
	MUST(dup2(11, 6));
	make_file("file", "");
	MUST(mkfifo("fifo", 0644));
	printf("with SA_RESTART\n");
	how = "k";
	install(SA_RESTART);
	calls();
	never();
	printf("without\n");
	install(0);
	calls();
	printf("after a stop\n");
	how = "s";
	calls();
	never();
	deadlines();
	return 0;
}

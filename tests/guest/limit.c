// Limits: getrlimit, setrlimit, prlimit of this and of other processes, and what they stop.
#include "check.h"
#include <sys/resource.h>
#include <sys/syscall.h>

static void show_limit(const char *what, int resource)
{
	struct rlimit limit;
	MUST(getrlimit(resource, &limit));
	printf("%s: %lld of %lld\n", what, limit.rlim_cur == RLIM_INFINITY ? -1LL : (long long)limit.rlim_cur,
		limit.rlim_max == RLIM_INFINITY ? -1LL : (long long)limit.rlim_max);
}

static int set(int resource, rlim_t soft, rlim_t hard)
{
	struct rlimit limit = { soft, hard };
	return setrlimit(resource, &limit);
}

static void files(void)
{
	int fds[2];
	MUST(set(RLIMIT_NOFILE, 8, 16));
	show_limit("RLIMIT_NOFILE", RLIMIT_NOFILE);
	SHOW(fcntl(0, F_DUPFD, 7));
	SHOW(fcntl(0, F_DUPFD, 8));
	SHOW(dup2(0, 8));
	for (int i = 3; i < 7; i++) MUST(dup(0));
	SHOW(dup(0));
	SHOW(open("/", O_RDONLY));
	SHOW(pipe(fds));
	MUST(set(RLIMIT_NOFILE, 16, 16));
	SHOW(pipe(fds));
	for (int i = 3; i < 16; i++) close(i);
	SHOW(set(RLIMIT_NOFILE, 17, 16));
	SHOW(set(RLIMIT_NOFILE, 16, 1u << 30));
}

static void sizes(void)
{
	signal(SIGXFSZ, SIG_IGN);
	int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0644);
	MUST(fd);
	MUST(set(RLIMIT_FSIZE, 10, 100));
	int written = write(fd, "0123456789abc", 13);
	int again = write(fd, "x", 1), error = errno;
	int behind = pwrite(fd, "x", 1, 10);
	int inside = pwrite(fd, "yyy", 3, 8);
	int cut = ftruncate(fd, 11), to = ftruncate(fd, 10);
	int reserved = posix_fallocate(fd, 0, 11);
	MUST(set(RLIMIT_FSIZE, 100, 100));
	printf("written %d, then %d %s, behind %d, inside %d, cut %d and %d, reserved %s\n", written, again,
		error_name(error), behind, inside, cut, to, error_name(reserved));
	signal(SIGXFSZ, SIG_DFL);
	close(fd);
}

static void others(char *self)
{
	struct rlimit old, new = { 10, 15 };
	pid_t pid = start_role(self, "wait", 0, 0);
	SHOW(prlimit(pid, RLIMIT_NOFILE, &new, 0));
	SHOW(prlimit(pid, RLIMIT_NOFILE, 0, &old));
	printf("of the child: %lld of %lld\n", (long long)old.rlim_cur, (long long)old.rlim_max);
	SHOW(prlimit(0, RLIMIT_CORE, 0, &old));
	SHOW(prlimit(999999, RLIMIT_CORE, 0, &old));
	SHOW(prlimit(0, 99, 0, &old));
	new.rlim_cur = 40;
	SHOW(prlimit(0, RLIMIT_CORE, &new, 0));
	kill(pid, SIGKILL);
	show_end("child", pid);
	// Limits are handed down.
	MUST(set(RLIMIT_CORE, 0, 0));
	MUST(set(RLIMIT_NOFILE, 12, 16));
	show_end("heir", start_role(self, "heir", 0, 0));
}

static void processor_time(char *self)
{
	show_end("XCPU", start_role(self, "spin", "0", 0));
}

static void cores(char *self)
{
	int status;
	MUST(set(RLIMIT_CORE, 0, 0));
	pid_t pid = start_role(self, "abort", 0, 0);
	MUST(waitpid(pid, &status, 0));
	show_status("abort", status);
	SHOW_BOOL(WCOREDUMP(status));
	siginfo_t info;
	pid = start_role(self, "abort", 0, 0);
	SHOW(waitid(P_PID, pid, &info, WEXITED));
	SHOW_BOOL(info.si_code == CLD_KILLED && info.si_status == SIGABRT);
}

static int role(char **argv)
{
	if (!strcmp(argv[1], "heir")) {
		show_limit("RLIMIT_NOFILE", RLIMIT_NOFILE);
		show_limit("RLIMIT_CORE", RLIMIT_CORE);
		return 0;
	}
	if (!strcmp(argv[1], "abort")) abort();
	if (!strcmp(argv[1], "spin")) {
		MUST(set(RLIMIT_CPU, 1, 3));
		for (volatile unsigned i = 0;; i++) {}
	}
	for (;;) pause();
}

int main(int argc, char **argv)
{
	setvbuf(stdout, 0, _IOLBF, 0);
	if (argc > 1) return role(argv);
	files();
	sizes();
	SHOW(getrlimit(RLIMIT_NOFILE, BAD_POINTER));
	SHOW(setrlimit(99, &(struct rlimit){ 0, 0 }));
	others(argv[0]);
	processor_time(argv[0]);
	cores(argv[0]);
	return 0;
}

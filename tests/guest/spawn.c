// Children: vfork, exec, wait, statuses, ends by signals.
#include "check.h"
#include <sys/resource.h>

static char *self;

// What a child does in each role.
static int role(char **argv)
{
	if (!strcmp(argv[1], "exit")) return atoi(argv[2]);
	if (!strcmp(argv[1], "kill")) {
		raise(atoi(argv[2]));
		return 0;
	}
	if (!strcmp(argv[1], "abort")) abort();
	if (!strcmp(argv[1], "environment")) {
		for (char **e = environ; *e; e++) puts(*e);
		for (char **a = argv + 1; *a; a++) puts(*a);
		return 0;
	}
	if (!strcmp(argv[1], "sleep")) {
		sleep_ms(atoi(argv[2]));
		return 5;
	}
	if (!strcmp(argv[1], "stop")) {
		raise(SIGSTOP);
		return 6;
	}
	return 98;
}

static void by_vfork(void)
{
	char *argv[] = { self, (char *)"exit", (char *)"3", 0 };
	volatile int shared = 1;
	pid_t pid = vfork();
	if (pid == 0) {
		// The same memory, another process.
		shared = 2;
		_exit(shared + 40);
	}
	SHOW_BOOL(pid > 0);
	SHOW_BOOL(pid != getpid());
	SHOW(shared);
	show_end("vfork and _exit", pid);

	pid = vfork();
	if (pid == 0) {
		execv(self, argv);
		_exit(127);
	}
	show_end("vfork and exec", pid);

	pid = vfork();
	if (pid == 0) {
		execv("./missing", argv);
		_exit(errno == ENOENT ? 77 : 78);
	}
	show_end("vfork and failed exec", pid);

	// What the child does to its descriptors and folder stays there.
	char before[4096], after[4096];
	MUST(getcwd(before, sizeof before) ? 0 : -1);
	pid = vfork();
	if (pid == 0) {
		close(0);
		if (chdir("/") == -1 || dup2(1, 9) != 9) _exit(1);
		umask(0);
		_exit(0);
	}
	show_end("vfork and changes", pid);
	MUST(getcwd(after, sizeof after) ? 0 : -1);
	SHOW_BOOL(strcmp(before, after) == 0);
	SHOW(fcntl(0, F_GETFD));
	SHOW(fcntl(9, F_GETFD));

	// A child with a child.
	pid = vfork();
	if (pid == 0) {
		int status = 0;
		pid_t inner = vfork();
		if (inner == 0) _exit(11);
		if (waitpid(inner, &status, 0) != inner) _exit(1);
		_exit(WEXITSTATUS(status) + 1);
	}
	show_end("vfork in vfork", pid);

	for (volatile int i = 0; i < 100; i++) {
		int status;
		pid = vfork();
		if (pid == 0) _exit(i);
		if (waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != i) printf("round %d\n", i);
	}
	printf("100 children\n");
}

static void waits(void)
{
	int status = 0x55;
	siginfo_t info;
	struct rusage usage;
	SHOW(wait(&status));
	SHOW(waitpid(getpid(), &status, 0));
	SHOW(waitpid(-1, &status, 0x1000));

	pid_t pid = start_role(self, "sleep", "50", 0);
	SHOW(waitpid(pid, &status, WNOHANG));
	SHOW_BOOL(wait4(pid, &status, 0, &usage) == pid);
	show_status("sleeper", status);
	SHOW(waitpid(pid, &status, 0));

	// Looking without taking.
	pid = start_role(self, "exit", "9", 0);
	memset(&info, 0, sizeof info);
	SHOW(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	printf("info: code %d status %d signal %d\n", info.si_code, info.si_status, info.si_signo);
	SHOW_BOOL(info.si_pid == pid);
	SHOW(waitid(P_PID, pid, &info, WEXITED));
	SHOW(waitid(P_PID, pid, &info, WEXITED));
	SHOW(waitid(P_ALL, 0, &info, 0));

	// Any child, in the order of their ends.
	pid_t slow = start_role(self, "sleep", "300", 0);
	pid_t fast = start_role(self, "exit", "1", 0);
	SHOW_BOOL(wait(&status) == fast);
	SHOW_BOOL(wait(&status) == slow);

	// A group of its own.
	char *argv[] = { self, (char *)"sleep", (char *)"100", 0 };
	pid = vfork();
	if (pid == 0) {
		setpgid(0, 0);
		execv(self, argv);
		_exit(127);
	}
	SHOW(setpgid(pid, pid));
	SHOW(waitpid(0, &status, WNOHANG));
	SHOW_BOOL(waitpid(-pid, &status, 0) == pid);
	show_status("in its group", status);
}

static void stops(void)
{
	int status;
	pid_t pid = start_role(self, "stop", 0, 0);
	SHOW_BOOL(waitpid(pid, &status, WUNTRACED) == pid);
	show_status("stopped", status);
	SHOW(waitpid(pid, &status, WNOHANG));
	MUST(kill(pid, SIGCONT));
	SHOW_BOOL(waitpid(pid, &status, WCONTINUED) == pid);
	show_status("continued", status);
	show_end("and ended", pid);

	pid = start_role(self, "stop", 0, 0);
	SHOW_BOOL(waitpid(pid, &status, WUNTRACED) == pid);
	MUST(kill(pid, SIGKILL));
	show_end("killed while stopped", pid);
}

static void environment(void)
{
	char *argv[] = { (char *)"another name", (char *)"environment", (char *)"", (char *)"a b", 0 };
	char *envp[] = { (char *)"ONE=1", (char *)"TWO=two words", 0 };
	pid_t pid;
	fflush(stdout);
	int error = posix_spawn(&pid, self, 0, 0, argv, envp);
	if (error) printf("posix_spawn: %s\n", error_name(error));
	else show_end("environment", pid);
}

int main(int argc, char **argv)
{
	if (argc > 1) return role(argv);
	self = argv[0];
	by_vfork();
	show_end("exit 0", start_role(self, "exit", "0", 0));
	show_end("exit 255", start_role(self, "exit", "255", 0));
	show_end("exit 256", start_role(self, "exit", "256", 0));
	show_end("exit -1", start_role(self, "exit", "-1", 0));
	show_end("SIGTERM", start_role(self, "kill", "15", 0));
	show_end("SIGKILL", start_role(self, "kill", "9", 0));
	show_end("SIGCHLD", start_role(self, "kill", "17", 0));
	show_end("abort", start_role(self, "abort", 0, 0));
	waits();
	stops();
	environment();
	return 0;
}

// exec: errors, scripts, what stays and what goes.
#include "check.h"

static char *self;

// As a child: what came over.
static int child(int argc, char **argv)
{
	sigset_t mask;
	struct sigaction action;
	printf("%d arguments, last [%s]\n", argc, argv[argc - 1]);
	MUST(sigprocmask(SIG_BLOCK, 0, &mask));
	SHOW_BOOL(sigismember(&mask, SIGUSR1));
	SHOW_BOOL(sigismember(&mask, SIGUSR2));
	MUST(sigaction(SIGHUP, 0, &action));
	SHOW_BOOL(action.sa_handler == SIG_IGN);
	MUST(sigaction(SIGTERM, 0, &action));
	SHOW_BOOL(action.sa_handler == SIG_DFL);
	mode_t mask_of_files = umask(0);
	printf("umask %o\n", (unsigned)mask_of_files);
	return 0;
}

// Its path differs from machine to machine.
static const char *shown(const char *path)
{
	return path == self ? "this program" : path;
}

// Runs execve in a child and prints its error, or how the program ended.
static void try_exec(const char *path, char *const argv[])
{
	volatile int error = 0;
	fflush(stdout);
	pid_t pid = vfork();
	if (pid == 0) {
		execve(path, argv, environ);
		error = errno;
		_exit(0);
	}
	if (error) {
		int status;
		printf("%s: %s\n", shown(path), error_name(error));
		waitpid(pid, &status, 0);
	} else {
		show_end(shown(path), pid);
	}
}

static void on_signal(int signal)
{
	(void)signal;
}

static void script(const char *path, const char *text, mode_t mode)
{
	make_file(path, text);
	MUST(chmod(path, mode));
}

int main(int argc, char **argv)
{
	if (argc > 1) return child(argc, argv);
	self = argv[0];
	char *plain[] = { (char *)"plain", (char *)"argument", 0 };

	try_exec("missing", plain);
	try_exec("", plain);
	try_exec(".", plain);
	script("not-executable", "#!/bin/sh\n", 0644);
	try_exec("not-executable", plain);
	script("empty", "", 0755);
	try_exec("empty", plain);
	script("garbage", "\x01\x02\x03garbage", 0755);
	try_exec("garbage", plain);
	try_exec("not-executable/x", plain);

	char line[5000];
	snprintf(line, sizeof line, "#!%s one\n", self);
	if (strlen(line) < 200) {
		script("script", line, 0755);
		try_exec("./script", plain);
		snprintf(line, sizeof line, "#! %s\t one two \n", self);
		script("script2", line, 0755);
		try_exec("./script2", plain);
	}
	script("missing-interpreter", "#!/no/such/program\n", 0755);
	try_exec("./missing-interpreter", plain);
	script("loop", "#!./loop\n", 0755);
	try_exec("./loop", plain);
	script("shell", "#!/bin/sh\necho shell: $1\nexit 4\n", 0755);
	try_exec("./shell", plain);

	// Masks and ignored signals stay, handlers go.
	sigset_t mask;
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	MUST(sigprocmask(SIG_BLOCK, &mask, 0));
	signal(SIGHUP, SIG_IGN);
	signal(SIGTERM, on_signal);
	umask(037);
	try_exec(self, plain);

	// Through PATH.
	setenv("PATH", "/nowhere:.", 1);
	fflush(stdout);
	pid_t pid = vfork();
	if (pid == 0) {
		execlp("shell", "shell", "by PATH", (char *)0);
		_exit(99);
	}
	show_end("execlp", pid);

	// Too much.
	size_t size = 16 << 20;
	char *large = malloc(size);
	memset(large, 'x', size - 1);
	large[size - 1] = 0;
	char *big[] = { self, large, 0 };
	volatile int error = 0;
	pid = vfork();
	if (pid == 0) {
		execv(self, big);
		error = errno;
		_exit(0);
	}
	printf("16 MiB: %s\n", error_name(error));
	show_end("too much", pid);
	return 0;
}

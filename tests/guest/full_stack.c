// A stack that becomes full in the midst of calls, handlers and children: a fault of the program alone.
#include "check.h"
#include <sys/resource.h>

static char *self;
static volatile unsigned depth, nr_handled;
static int null_fd, ends[2];

static void handle(int signal)
{
	(void)signal;
	nr_handled++;
}

static void call_write(void)
{
	MUST(write(null_fd, "x", 1));
}

static void call_open(void)
{
	int fd = open("/dev/null", O_RDONLY);
	MUST(fd);
	MUST(close(fd));
}

static void call_pipe(void)
{
	char byte = 1;
	MUST(write(ends[1], &byte, 1));
	MUST(read(ends[0], &byte, 1));
}

static void call_raise(void)
{
	MUST(kill(getpid(), SIGUSR1));
}

static void call_spawn(void)
{
	if (depth % 512) return;
	char *argv[] = { self, (char *)"nothing", 0 };
	pid_t pid;
	if (posix_spawn(&pid, self, 0, 0, argv, environ) == 0) waitpid(pid, 0, 0);
}

static const struct {
	const char *name;
	void (*call)(void);
} calls[] = {
	{ "write", call_write }, { "open", call_open }, { "pipe", call_pipe },
	{ "raise", call_raise }, { "spawn", call_spawn },
};

// Has no end, and cannot be a loop: each frame adds to what it got.
static unsigned sink(void (*call)(void), unsigned n)
{
	depth = n;
	call();
	return sink(call, n + 1) * 3 + depth;
}

int main(int argc, char **argv)
{
	self = argv[0];
	if (argc > 1) {
		signal(SIGUSR1, handle);
		null_fd = open("/dev/null", O_WRONLY);
		MUST(null_fd);
		MUST(pipe(ends));
		for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
			if (!strcmp(argv[1], calls[i].name)) return (int)sink(calls[i].call, 1);
		return 0;
	}
	// Where stacks grow, a smaller one is full sooner.
	MUST(setrlimit(RLIMIT_STACK, &(struct rlimit){ 1 << 20, 1 << 20 }));
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		show_end(calls[i].name, start_role(self, calls[i].name, "", ""));
	show_end("nothing", start_role(self, "nothing", "", ""));
	return 0;
}

// Runs a program as a pod starts one, whatever started this one: `oracle PROGRAM` becomes PROGRAM
// with descriptors 0, 1 and 2 alone, every signal at its default and unblocked, umask 022, the
// nice value 0 and a session of its own.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(const char *what)
{
	perror(what);
	return 127;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: oracle PROGRAM [ARGUMENT]...\n");
		return 2;
	}
	if (close_range(3, ~0u, 0) == -1) return fail("close_range");
	// Those that a program cannot set, or that libc keeps to itself, refuse: they are as they should be.
	for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
	sigset_t none;
	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, 0) == -1) return fail("sigprocmask");
	umask(022);
	if (setpriority(PRIO_PROCESS, 0, 0) == -1) return fail("setpriority");
	// A leader of a group, as a shell's job is one, needs none.
	setsid();
	execv(argv[1], argv + 1);
	return fail(argv[1]);
}

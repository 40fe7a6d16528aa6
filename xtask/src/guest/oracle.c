// Runs a program as a pod starts one, whatever started this one: `oracle PROGRAM` becomes PROGRAM
// with descriptors 0, 1 and 2 alone, every signal at its default and unblocked, umask 022, the
// nice value 0, the usual limits and policy, and a session of its own.
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(const char *what)
{
	perror(what);
	return 127;
}

// The soft limits that a login has, as far as the hard ones allow them; those too if this is root.
static void usual_limits(void)
{
	static const struct {
		int resource;
		rlim_t soft;
	} usual[] = {
		{ RLIMIT_AS, RLIM_INFINITY },    { RLIMIT_CORE, 0 },
		{ RLIMIT_CPU, RLIM_INFINITY },   { RLIMIT_DATA, RLIM_INFINITY },
		{ RLIMIT_FSIZE, RLIM_INFINITY }, { RLIMIT_LOCKS, RLIM_INFINITY },
		{ RLIMIT_NOFILE, 1024 },         { RLIMIT_NPROC, 8192 },
		{ RLIMIT_SIGPENDING, 8192 },     { RLIMIT_STACK, 8 << 20 },
	};
	for (unsigned i = 0; i < sizeof usual / sizeof *usual; i++) {
		struct rlimit limit;
		if (getrlimit(usual[i].resource, &limit) == -1) continue;
		limit.rlim_cur = usual[i].soft;
		if (limit.rlim_max < limit.rlim_cur) limit.rlim_max = limit.rlim_cur;
		if (setrlimit(usual[i].resource, &limit) == 0) continue;
		getrlimit(usual[i].resource, &limit);
		limit.rlim_cur = limit.rlim_max;
		setrlimit(usual[i].resource, &limit);
	}
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
	usual_limits();
	// What cannot be set here is as it should be nearly everywhere.
	struct sched_param parameter = { 0 };
	sched_setscheduler(0, SCHED_OTHER, &parameter);
	personality(PER_LINUX);
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
	// A leader of a group, as a shell's job is one, needs none.
	setsid();
	execv(argv[1], argv + 1);
	return fail(argv[1]);
}

// What the benchmarks share. Each prints numbers, a line each: a bare one is nanoseconds for one
// round, others have a name before them. A line "pause NAME" lets the reader look at the memory.
#ifndef BENCH_H
#define BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

// Calls `round` for some time and prints the best mean of five tries.
__attribute__((__unused__)) static void measure(void (*round)(void), double seconds)
{
	double best = 1e18;
	for (int attempt = 0; attempt < 5; attempt++) {
		long rounds = 0, batch = 1;
		double start = now_ns(), end;
		do {
			for (long i = 0; i < batch; i++) round();
			rounds += batch;
			end = now_ns();
			if (end - start < seconds * 1e8) batch *= 2;
		} while (end - start < seconds * 2e8);
		double mean = (end - start) / rounds;
		if (mean < best) best = mean;
	}
	printf("%.1f\n", best);
}

// Prints a number with a name.
__attribute__((__unused__)) static void report(const char *name, double value)
{
	printf("%s %.1f\n", name, value);
	fflush(stdout);
}

// Says that nothing will change now, and waits for a line or the end of the input.
__attribute__((__unused__)) static void stand_still(const char *name)
{
	char c;
	printf("pause %s\n", name);
	fflush(stdout);
	while (read(0, &c, 1) == 1 && c != '\n') {
	}
}

__attribute__((__unused__)) static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

// The middle one; sorts them.
__attribute__((__unused__)) static double median(double *values, int count)
{
	qsort(values, count, sizeof *values, ascending);
	return values[count / 2];
}

__attribute__((__unused__)) static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void pin(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof set, &set)) fail("sched_setaffinity");
}

// A processor that is not `here`.
static int another_cpu(int here)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof set, &set)) fail("sched_getaffinity");
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (cpu != here && CPU_ISSET(cpu, &set)) return cpu;
	fprintf(stderr, "there is one processor only\n");
	exit(1);
}

// The path of a program in the folder of this one.
__attribute__((__unused__)) static void beside(char *path, size_t size, const char *self, const char *name)
{
	const char *slash = strrchr(self, '/');
	snprintf(path, size, "%.*s%s", slash ? (int)(slash - self + 1) : 0, self, name);
}

// Starts the program at `path` without arguments and waits for its end.
__attribute__((__unused__)) static void run_and_wait(char *path)
{
	char *argv[] = { path, 0 };
	int status;
	pid_t pid;
	if (posix_spawn(&pid, path, 0, 0, argv, environ)) fail(path);
	if (waitpid(pid, &status, 0) != pid || status) fail("waitpid");
}

// Starts this program in a role with its own standard input and output. `where` is "near": on
// this program's processor, "far": on another, or null: wherever the system likes.
__attribute__((__unused__)) static pid_t start_role(char *self, const char *role, const char *where,
	int in, int out, const int *closed, int nr_closed)
{
	posix_spawn_file_actions_t actions;
	char *argv[] = { self, (char *)role, 0 };
	int here = sched_getcpu(), is_far = where && !strcmp(where, "far");
	pid_t pid;
	// A child begins with its parent's mask.
	if (where) pin(is_far ? another_cpu(here) : here);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in, 0);
	posix_spawn_file_actions_adddup2(&actions, out, 1);
	for (int i = 0; i < nr_closed; i++) posix_spawn_file_actions_addclose(&actions, closed[i]);
	if (posix_spawn(&pid, self, &actions, 0, argv, environ)) fail("posix_spawn");
	posix_spawn_file_actions_destroy(&actions);
	if (is_far) pin(here);
	return pid;
}

#endif

// Many processes that sleep, as the caller's children.
#ifndef SLEEPERS_H
#define SLEEPERS_H

#include "bench.h"
#include <errno.h>
#include <poll.h>

enum {
	// How many starts the first and the last mean are of.
	NR_EDGE = 100,
	// How long nobody may say that it runs, in milliseconds.
	PATIENCE_MS = 20000,
};

struct sleepers {
	pid_t *pids;
	int count;
	// Nanoseconds until all ran, and for one start among the first and the last.
	double all_ns, first_ns, last_ns;
};

// The child's part: says that it runs, and sleeps until a signal ends it.
static int sleeper(void)
{
	if (write(1, "r", 1) != 1) return 1;
	for (;;) sleep(1000000);
}

// Starts up to `wanted` of them and keeps those that run; the program's role "sleep" must be `sleeper`. Says on the standard
// error why there are fewer.
static struct sleepers start_sleepers(char *self, int wanted)
{
	struct sleepers all = { .pids = calloc(wanted, sizeof(pid_t)) };
	double *starts = calloc(wanted + 1, sizeof *starts);
	char *argv[] = { self, (char *)"sleep", 0 };
	int ready[2], why = 0;
	posix_spawn_file_actions_t actions;
	if (!all.pids || !starts) fail("calloc");
	if (pipe(ready)) fail("pipe");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ready[1], 1);
	posix_spawn_file_actions_addclose(&actions, ready[0]);
	posix_spawn_file_actions_addclose(&actions, ready[1]);
	starts[0] = now_ns();
	while (all.count < wanted) {
		why = posix_spawn(&all.pids[all.count], self, &actions, 0, argv, environ);
		if (why) break;
		starts[++all.count] = now_ns();
	}
	posix_spawn_file_actions_destroy(&actions);
	close(ready[1]);
	int running = 0;
	while (running < all.count) {
		char bytes[4096];
		struct pollfd wait = { .fd = ready[0], .events = POLLIN };
		if (poll(&wait, 1, PATIENCE_MS) <= 0) break;
		ssize_t n = read(ready[0], bytes, sizeof bytes);
		if (n <= 0) break;
		running += n;
	}
	all.all_ns = now_ns() - starts[0];
	close(ready[0]);
	int started = all.count;
	all.count = 0;
	for (int i = 0; i < started; i++)
		if (running == started || !waitpid(all.pids[i], 0, WNOHANG)) all.pids[all.count++] = all.pids[i];
	if (all.count != running) {
		fprintf(stderr, "%d of %d living processes run\n", running, all.count);
		exit(1);
	}
	if (running < started)
		fprintf(stderr, "reached %d of %d: %d ended at once\n", running, started, started - running);
	if (why) fprintf(stderr, "reached %d of %d: %s\n", all.count, wanted, strerror(why));
	int edge = started < NR_EDGE ? started : NR_EDGE;
	if (edge) {
		all.first_ns = (starts[edge] - starts[0]) / edge;
		all.last_ns = (starts[started] - starts[started - edge]) / edge;
	}
	free(starts);
	return all;
}

// Ends each with a signal that it could catch and waits for it; nanoseconds for all.
static double end_sleepers(struct sleepers *all)
{
	double start = now_ns();
	for (int i = 0; i < all->count; i++)
		if (kill(all->pids[i], SIGTERM)) fail("kill");
	for (int i = 0; i < all->count; i++) {
		int status;
		if (waitpid(all->pids[i], &status, 0) != all->pids[i]) fail("waitpid");
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGTERM) {
			fprintf(stderr, "a sleeper ended with status %#x\n", status);
			exit(1);
		}
	}
	free(all->pids);
	return now_ns() - start;
}

#endif

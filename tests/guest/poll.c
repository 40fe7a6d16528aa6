// poll and select: pipes, files, timeouts, hang-ups, bad descriptors.
#include "check.h"
#include <poll.h>
#include <sys/select.h>

static void show_poll(const char *what, struct pollfd *fds, int n, int timeout)
{
	int result = poll(fds, n, timeout);
	if (result == -1) printf("%s: %s\n", what, error_name(errno));
	else printf("%s: %d", what, result);
	if (result >= 0) {
		for (int i = 0; i < n; i++) {
			static const struct {
				int bit;
				const char *name;
			} bits[] = { { POLLIN, "IN" }, { POLLOUT, "OUT" }, { POLLERR, "ERR" }, { POLLHUP, "HUP" },
				{ POLLNVAL, "NVAL" } };
			printf(" [");
			for (size_t b = 0; b < sizeof bits / sizeof *bits; b++)
				if (fds[i].revents & bits[b].bit) printf(" %s", bits[b].name);
			printf(" ]");
		}
		printf("\n");
	}
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		sleep_ms(50);
		return write(1, "x", 1) == 1 ? 0 : 1;
	}
	int p[2];
	char c;
	MUST(pipe(p));
	struct pollfd fds[] = { { p[0], POLLIN, 0 }, { p[1], POLLOUT, 0 }, { -1, POLLIN, 0 }, { 99, POLLIN, 0 } };
	show_poll("empty pipe", fds, 1, 0);
	show_poll("both ends", fds, 2, 0);
	show_poll("with a negative and a closed one", fds, 4, 0);
	MUST(write(p[1], "x", 1));
	show_poll("readable", fds, 2, -1);
	MUST(read(p[0], &c, 1));

	struct timespec start;
	clock_gettime(CLOCK_MONOTONIC, &start);
	show_poll("timeout", fds, 1, 50);
	SHOW_BOOL(elapsed_ms(&start) >= 49);
	SHOW(poll(0, 0, 1));
	SHOW(poll(BAD_POINTER, 1, 0));

	// Somebody else writes.
	pid_t pid = start_role_to(p[1], argv[0], "writer", 0, 0);
	show_poll("a child writes", fds, 1, 5000);
	MUST(read(p[0], &c, 1));
	show_end("writer", pid);

	close(p[1]);
	show_poll("no writer", fds, 1, -1);
	MUST(pipe(p));
	fds[0] = (struct pollfd){ p[1], POLLOUT, 0 };
	close(p[0]);
	show_poll("no reader", fds, 1, -1);

	int file = open("file", O_RDWR | O_CREAT, 0644);
	MUST(file);
	fds[0] = (struct pollfd){ file, POLLIN | POLLOUT, 0 };
	show_poll("file", fds, 1, -1);

	MUST(pipe(p));
	fd_set in, out;
	struct timeval none = { 0, 0 }, soon = { 0, 20000 };
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(p[0], &in);
	FD_SET(p[1], &out);
	SHOW(select(p[1] + 1, &in, &out, 0, &none));
	SHOW_BOOL(!FD_ISSET(p[0], &in) && FD_ISSET(p[1], &out));
	FD_SET(p[0], &in);
	SHOW(select(p[0] + 1, &in, 0, 0, &soon));
	MUST(write(p[1], "x", 1));
	FD_SET(p[0], &in);
	SHOW(select(p[0] + 1, &in, 0, 0, 0));
	SHOW_BOOL(FD_ISSET(p[0], &in));
	FD_ZERO(&in);
	FD_SET(98, &in);
	SHOW(select(99, &in, 0, 0, &none));
	SHOW(select(-1, 0, 0, 0, &none));
	struct timespec ts = { 0, 1000000 };
	SHOW(pselect(0, 0, 0, 0, &ts, 0));
	ts.tv_nsec = -1;
	SHOW(ppoll(0, 0, &ts, 0));
	return 0;
}

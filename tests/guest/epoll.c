// epoll: level, edge and one-shot, closed files, epolls in epolls, errors, timeouts, masks.
#include "check.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

static void show_events(const char *what, const struct epoll_event *events, int n)
{
	static const struct {
		unsigned bit;
		const char *name;
	} bits[] = { { EPOLLIN, "IN" }, { EPOLLOUT, "OUT" }, { EPOLLPRI, "PRI" }, { EPOLLERR, "ERR" },
		{ EPOLLHUP, "HUP" }, { EPOLLRDHUP, "RDHUP" }, { EPOLLRDNORM, "RDNORM" },
		{ EPOLLWRNORM, "WRNORM" } };
	if (n == -1) {
		printf("%s: %s\n", what, error_name(errno));
		return;
	}
	printf("%s: %d", what, n);
	for (int i = 0; i < n; i++) {
		printf(" [%d:", (int)events[i].data.u64);
		for (size_t b = 0; b < sizeof bits / sizeof *bits; b++)
			if (events[i].events & bits[b].bit) printf(" %s", bits[b].name);
		printf("]");
	}
	printf("\n");
}

static void wait_and_show(const char *what, int ep, int max, int timeout)
{
	struct epoll_event events[8];
	int n = epoll_wait(ep, events, max, timeout);
	show_events(what, events, n);
}

static int control(int ep, int op, int fd, unsigned events, int data)
{
	struct epoll_event event = { .events = events, .data = { .u64 = (unsigned)data } };
	return epoll_ctl(ep, op, fd, &event);
}

static void on_alarm(int number)
{
	(void)number;
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		sleep_ms(50);
		return write(1, "x", 1) == 1 ? 0 : 1;
	}
	char c;
	int p[2], q[2];
	MUST(pipe(p));
	MUST(pipe(q));

	printf("-- errors\n");
	SHOW(epoll_create1(1));
	SHOW(epoll_create1(O_NONBLOCK));
	int ep = epoll_create1(EPOLL_CLOEXEC);
	SHOW_BOOL(ep >= 0);
	SHOW(fcntl(ep, F_GETFD));
	int file = open("file", O_RDWR | O_CREAT, 0600);
	int null = open("/dev/null", O_RDWR), here = open(".", O_RDONLY);
	SHOW(control(ep, EPOLL_CTL_ADD, file, EPOLLIN, 0));
	SHOW(control(ep, EPOLL_CTL_ADD, null, EPOLLIN, 0));
	SHOW(control(ep, EPOLL_CTL_ADD, here, EPOLLIN, 0));
	SHOW(control(ep, EPOLL_CTL_ADD, 99, EPOLLIN, 0));
	SHOW(control(99, EPOLL_CTL_ADD, p[0], EPOLLIN, 0));
	SHOW(control(p[0], EPOLL_CTL_ADD, p[1], EPOLLIN, 0));
	SHOW(control(ep, EPOLL_CTL_ADD, ep, EPOLLIN, 0));
	SHOW(control(ep, 77, p[0], EPOLLIN, 0));
	SHOW(control(ep, EPOLL_CTL_MOD, p[0], EPOLLIN, 0));
	SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], 0));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], BAD_POINTER));
	SHOW(control(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
	SHOW(control(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
	wait_and_show("none", ep, 0, 0);
	wait_and_show("negative", ep, -1, 0);
	wait_and_show("not an epoll", p[0], 1, 0);
	wait_and_show("not open", 99, 1, 0);
	SHOW(read(ep, &c, 1));
	SHOW(write(ep, &c, 1));
	SHOW(lseek(ep, 0, SEEK_SET));

	printf("-- level\n");
	wait_and_show("nothing", ep, 8, 0);
	MUST(write(p[1], "ab", 2));
	wait_and_show("readable", ep, 8, -1);
	wait_and_show("still", ep, 8, -1);
	MUST(read(p[0], &c, 1));
	wait_and_show("one byte left", ep, 8, 0);
	MUST(read(p[0], &c, 1));
	wait_and_show("empty", ep, 8, 0);
	SHOW(control(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLRDNORM, 2));
	MUST(write(p[1], "a", 1));
	wait_and_show("under both names", ep, 8, 0);
	SHOW(control(ep, EPOLL_CTL_MOD, p[0], 0, 2));
	wait_and_show("asked for nothing", ep, 8, 0);
	MUST(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], 0));

	printf("-- edge\n");
	SHOW(control(ep, EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLET, 3));
	wait_and_show("what was there", ep, 8, 0);
	wait_and_show("not again", ep, 8, 0);
	MUST(write(p[1], "b", 1));
	wait_and_show("more came", ep, 8, 0);
	MUST(read(p[0], &c, 1));
	wait_and_show("reading is no edge", ep, 8, 0);
	SHOW(control(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET, 4));
	wait_and_show("set anew", ep, 8, 0);
	SHOW(control(ep, EPOLL_CTL_ADD, p[1], EPOLLOUT | EPOLLET, 5));
	wait_and_show("writable", ep, 8, 0);
	wait_and_show("once", ep, 8, 0);
	MUST(epoll_ctl(ep, EPOLL_CTL_DEL, p[1], 0));

	printf("-- one-shot\n");
	SHOW(control(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 6));
	wait_and_show("first", ep, 8, 0);
	MUST(write(p[1], "c", 1));
	wait_and_show("off", ep, 8, 0);
	SHOW(control(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 7));
	wait_and_show("on again", ep, 8, 0);
	wait_and_show("off again", ep, 8, 0);
	SHOW(control(ep, EPOLL_CTL_MOD, p[0], EPOLLIN, 8));

	printf("-- fairness\n");
	MUST(write(q[1], "x", 1));
	SHOW(control(ep, EPOLL_CTL_ADD, q[0], EPOLLIN, 9));
	wait_and_show("one at a time", ep, 1, 0);
	wait_and_show("then the other", ep, 1, 0);
	wait_and_show("and round", ep, 1, 0);
	wait_and_show("all", ep, 8, 0);

	printf("-- closing\n");
	int copy = dup(q[0]);
	close(q[0]);
	wait_and_show("a copy keeps it", ep, 8, 0);
	close(copy);
	wait_and_show("closed", ep, 8, 0);
	close(p[1]);
	MUST(read(p[0], &c, 1));
	MUST(read(p[0], &c, 1));
	wait_and_show("hung up", ep, 8, 0);
	MUST(control(ep, EPOLL_CTL_MOD, p[0], 0, 10));
	wait_and_show("also unasked", ep, 8, 0);
	close(p[0]);
	MUST(pipe(p));
	MUST(control(ep, EPOLL_CTL_ADD, p[1], EPOLLOUT, 11));
	close(p[0]);
	wait_and_show("no reader", ep, 8, 0);
	close(p[1]);
	wait_and_show("all closed", ep, 8, 0);

	printf("-- exclusive\n");
	MUST(pipe(p));
	SHOW(control(ep, EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 0));
	SHOW(control(ep, EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLEXCLUSIVE | EPOLLRDHUP, 0));
	SHOW(control(ep, EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLEXCLUSIVE | EPOLLET, 12));
	SHOW(control(ep, EPOLL_CTL_MOD, p[0], EPOLLIN, 12));
	SHOW(control(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLEXCLUSIVE, 12));
	MUST(write(p[1], "x", 1));
	wait_and_show("exclusive", ep, 8, 0);
	SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], 0));
	MUST(read(p[0], &c, 1));

	printf("-- nested\n");
	int outer = epoll_create1(0);
	MUST(control(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 13));
	SHOW(control(outer, EPOLL_CTL_ADD, ep, EPOLLIN | EPOLLEXCLUSIVE, 14));
	SHOW(control(outer, EPOLL_CTL_ADD, ep, EPOLLIN, 14));
	SHOW(control(ep, EPOLL_CTL_ADD, outer, EPOLLIN, 15));
	wait_and_show("outer: nothing", outer, 8, 0);
	struct pollfd fds[] = { { outer, POLLIN, 0 }, { ep, POLLIN | POLLOUT, 0 } };
	SHOW(poll(fds, 2, 0));
	MUST(write(p[1], "x", 1));
	SHOW(poll(fds, 2, 0));
	SHOW_BOOL(fds[0].revents == POLLIN && fds[1].revents == POLLIN);
	wait_and_show("outer", outer, 8, 0);
	wait_and_show("inner", ep, 8, 0);
	MUST(read(p[0], &c, 1));
	wait_and_show("outer: nothing again", outer, 8, 0);
	int chain[12], refused = 0;
	for (int i = 0; i < 12; i++) {
		MUST(chain[i] = epoll_create1(0));
		if (i && control(chain[i], EPOLL_CTL_ADD, chain[i - 1], EPOLLIN, i) == -1 && !refused++)
			printf("a long chain: %s\n", error_name(errno));
	}
	for (int i = 0; i < 12; i++)
		close(chain[i]);
	close(outer);

	printf("-- waiting\n");
	struct timespec start;
	clock_gettime(CLOCK_MONOTONIC, &start);
	wait_and_show("timeout", ep, 8, 50);
	SHOW_BOOL(elapsed_ms(&start) >= 49);
	pid_t pid = start_role_to(p[1], argv[0], "writer", 0, 0);
	wait_and_show("a child writes", ep, 8, 5000);
	MUST(read(p[0], &c, 1));
	show_end("writer", pid);
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	sigaction(SIGALRM, &action, 0);
	alarm(1);
	wait_and_show("a handler, although it restarts", ep, 8, -1);
	sigset_t block, none;
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGALRM);
	sigprocmask(SIG_BLOCK, &block, 0);
	raise(SIGALRM);
	wait_and_show("blocked", ep, 8, 10);
	struct epoll_event events[8];
	show_events("unblocked for the wait", events, epoll_pwait(ep, events, 8, 1000, &none));
	sigset_t now;
	sigprocmask(SIG_SETMASK, 0, &now);
	SHOW(sigismember(&now, SIGALRM));
	SHOW(epoll_wait(ep, BAD_POINTER, 1, 0));
	MUST(write(p[1], "x", 1));
	SHOW(epoll_wait(ep, BAD_POINTER, 1, 0));
	wait_and_show("not lost", ep, 8, 0);

	printf("-- many\n");
	int number[200];
	for (int i = 0; i < 200; i++) {
		MUST(number[i] = eventfd(0, 0));
		MUST(control(ep, EPOLL_CTL_ADD, number[i], EPOLLIN, 100 + i));
	}
	MUST(read(p[0], &c, 1));
	MUST(eventfd_write(number[150], 1));
	MUST(eventfd_write(number[20], 1));
	wait_and_show("in the order in which they came", ep, 8, 0);
	for (int i = 0; i < 200; i++)
		close(number[i]);
	wait_and_show("all closed", ep, 8, 0);
	return 0;
}

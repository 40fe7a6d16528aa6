// getsockopt(2) and setsockopt(2), and time limits.
#include "socket.h"

#include <sys/time.h>

static volatile sig_atomic_t nr_alarms;

static void count_alarm(int signal)
{
	(void)signal;
	nr_alarms++;
}

static void show_option(const char *what, int fd, int option)
{
	int value = -1;
	socklen_t len = sizeof value;
	if (getsockopt(fd, SOL_SOCKET, option, &value, &len)) printf("%s: %s\n", what, error_name(errno));
	else printf("%s: %d, len %u\n", what, value, (unsigned)len);
}

static void set_option(const char *what, int fd, int option, int value)
{
	if (setsockopt(fd, SOL_SOCKET, option, &value, sizeof value)) printf("%s = %d: %s\n", what, value, error_name(errno));
	else show_option(what, fd, option);
}

#define OPTION(fd, option) show_option(#option, fd, option)
#define SET(fd, option, value) set_option(#option, fd, option, value)

static void numbers(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), packets = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	MUST(fd);
	OPTION(fd, SO_TYPE);
	OPTION(packets, SO_TYPE);
	OPTION(fd, SO_DOMAIN);
	OPTION(fd, SO_PROTOCOL);
	OPTION(fd, SO_ERROR);
	OPTION(fd, SO_ACCEPTCONN);
	OPTION(fd, SO_SNDLOWAT);
	OPTION(fd, SO_RCVLOWAT);
	SET(fd, SO_RCVLOWAT, 7);
	SET(fd, SO_RCVLOWAT, 0);
	SET(fd, SO_SNDLOWAT, 7);
	SET(fd, SO_TYPE, 1);
	SET(fd, SO_DOMAIN, 1);
	SET(fd, SO_ERROR, 1);
	SET(fd, SO_ACCEPTCONN, 1);
	SET(fd, SO_REUSEADDR, 5);
	SET(fd, SO_REUSEADDR, 0);
	SET(fd, SO_KEEPALIVE, 1);
	SET(fd, SO_BROADCAST, 1);
	SET(fd, SO_DONTROUTE, 1);
	SET(fd, SO_OOBINLINE, 1);
	SET(fd, SO_PASSCRED, 1);
	SET(fd, SO_PRIORITY, 3);
	SET(fd, 9999, 3);
	OPTION(fd, 9999);
	SHOW(bind_to(fd, "@options"));
	SHOW(listen(fd, 1));
	OPTION(fd, SO_ACCEPTCONN);
	int value = 0;
	socklen_t len = sizeof value;
	SHOW(getsockopt(fd, 6, 1, &value, &len));
	SHOW(setsockopt(fd, 6, 1, &value, sizeof value));
	SHOW(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, 3));
	SHOW(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, (socklen_t)-1));
	SHOW(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, BAD_POINTER, 4));
	SHOW(setsockopt(0, SOL_SOCKET, SO_REUSEADDR, &value, 4));
	SHOW(getsockopt(0, SOL_SOCKET, SO_REUSEADDR, &value, &len));
	SHOW(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, BAD_POINTER));
	len = (socklen_t)-1;
	SHOW(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len));
	len = 1;
	value = 0x55555500;
	SHOW(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len));
	printf("one byte: %x, len %u\n", (unsigned)value, (unsigned)len);
	close(fd);
	close(packets);
}

static void buffers(void)
{
	int fds[2];
	make_pair(SOCK_DGRAM | SOCK_NONBLOCK, fds);
	SET(fds[0], SO_SNDBUF, 10000);
	SET(fds[0], SO_SNDBUF, 1);
	SET(fds[0], SO_RCVBUF, 10000);
	SET(fds[0], SO_RCVBUF, 1);
	static char bytes[8192];
	SHOW(send(fds[0], bytes, 4608, 0));
	SHOW(send(fds[0], bytes, 4608 - 32, 0));
	close_pair(fds);
}

static void linger(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct linger value = { 1, 5 };
	socklen_t len = sizeof value;
	SHOW(setsockopt(fd, SOL_SOCKET, SO_LINGER, &value, 4));
	SHOW(setsockopt(fd, SOL_SOCKET, SO_LINGER, &value, sizeof value));
	memset(&value, 0, sizeof value);
	SHOW(getsockopt(fd, SOL_SOCKET, SO_LINGER, &value, &len));
	printf("linger %d %d, len %u\n", value.l_onoff, value.l_linger, (unsigned)len);
	close(fd);
}

static void show_elapsed(const char *what, struct timespec start, int least_ms)
{
	printf("%s: %s\n", what, elapsed_ms(&start) + 5 >= least_ms ? "waited" : "did not wait");
}

static void limits(void)
{
	int fds[2];
	char byte;
	struct timeval time = { 0, 60000 }, out = { -1, -1 };
	struct timespec start;
	socklen_t len = sizeof out;
	make_pair(SOCK_STREAM, fds);
	SHOW(getsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &out, &len));
	printf("no limit: %d %d\n", (int)out.tv_sec, (int)out.tv_usec);
	SHOW(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time));
	SHOW(getsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &out, &len));
	printf("limit: %d %d\n", (int)out.tv_sec, (int)out.tv_usec);
	clock_gettime(CLOCK_MONOTONIC, &start);
	SHOW(recv(fds[0], &byte, 1, 0));
	show_elapsed("recv", start, 60);
	clock_gettime(CLOCK_MONOTONIC, &start);
	SHOW(read(fds[0], &byte, 1));
	show_elapsed("read", start, 60);
	time.tv_usec = 1000000;
	SHOW(setsockopt(fds[0], SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time));
	time.tv_usec = 50000;
	SHOW(setsockopt(fds[0], SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time));
	static char chunk[65536];
	clock_gettime(CLOCK_MONOTONIC, &start);
	ssize_t n;
	do n = send(fds[0], chunk, sizeof chunk, 0);
	while (n == (ssize_t)sizeof chunk);
	SHOW_BOOL(n < (ssize_t)sizeof chunk);
	SHOW(send(fds[0], chunk, sizeof chunk, 0));
	show_elapsed("send", start, 50);
	// With a limit, a signal ends the call whatever its handler's flags say.
	struct sigaction action;
	memset(&action, 0, sizeof action);
	action.sa_handler = count_alarm;
	action.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &action, 0);
	time.tv_sec = 5;
	MUST(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time));
	struct itimerval timer = { { 0, 0 }, { 0, 50000 } };
	MUST(setitimer(ITIMER_REAL, &timer, 0));
	SHOW(recv(fds[0], &byte, 1, 0));
	printf("%d signals\n", (int)nr_alarms);
	close_pair(fds);

	int server = socket(AF_UNIX, SOCK_STREAM, 0);
	MUST(bind_to(server, "@limits"));
	MUST(listen(server, 0));
	time.tv_sec = 0;
	MUST(setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time));
	SHOW(accept(server, 0, 0));
	int one = socket(AF_UNIX, SOCK_STREAM, 0), two = socket(AF_UNIX, SOCK_STREAM, 0);
	MUST(connect_to(one, "@limits"));
	MUST(setsockopt(two, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time));
	SHOW(connect_to(two, "@limits"));
	close(one);
	close(two);
	close(server);
}

int main(void)
{
	numbers();
	buffers();
	linger();
	limits();
	return 0;
}

// Moving bytes through pipes without a buffer: splice, tee, vmsplice.
#include "check.h"
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

static int file, a[2], b[2];

static void show_pipe(const char *what, int fd)
{
	char buffer[64];
	int available = 0;
	MUST(ioctl(fd, FIONREAD, &available));
	ssize_t n = available ? read(fd, buffer, sizeof buffer) : 0;
	MUST(n);
	printf("%s: [%.*s]\n", what, (int)n, buffer);
}

static void fill(int fd)
{
	static char page[4096];
	int flags = fcntl(fd, F_GETFL);
	MUST(fcntl(fd, F_SETFL, flags | O_NONBLOCK));
	while (write(fd, page, sizeof page) > 0) {
	}
	MUST(fcntl(fd, F_SETFL, flags));
}

static void files_and_pipes(void)
{
	off_t at = 2;
	SHOW(splice(file, &at, a[1], 0, 5, 0));
	printf("offset %lld, own %lld\n", (long long)at, (long long)lseek(file, 0, SEEK_CUR));
	show_pipe("a", a[0]);
	MUST(lseek(file, 6, SEEK_SET));
	SHOW(splice(file, 0, a[1], 0, 100, 0));
	SHOW(lseek(file, 0, SEEK_CUR));
	SHOW(splice(file, 0, a[1], 0, 100, 0));
	int out = open("out", O_RDWR | O_CREAT | O_TRUNC, 0644);
	MUST(out);
	at = 3;
	SHOW(splice(a[0], 0, out, &at, 2, 0));
	printf("offset %lld\n", (long long)at);
	SHOW(splice(a[0], 0, out, 0, 100, SPLICE_F_MOVE | SPLICE_F_MORE));
	SHOW(lseek(out, 0, SEEK_CUR));
	show_file("out");
	SHOW(splice(a[0], 0, out, 0, 100, SPLICE_F_NONBLOCK));
	MUST(fcntl(a[0], F_SETFL, O_NONBLOCK));
	SHOW(splice(a[0], 0, out, 0, 100, 0));
	MUST(fcntl(a[0], F_SETFL, 0));

	puts("-- what is refused");
	SHOW(splice(file, 0, out, 0, 1, 0));
	SHOW(splice(file, 0, a[1], 0, 0, -1));
	SHOW(splice(file, 0, a[1], 0, 1, 16));
	SHOW(splice(99, 0, a[1], 0, 1, 0));
	SHOW(splice(file, 0, 99, 0, 1, 0));
	SHOW(splice(a[0], &at, b[1], 0, 1, 0));
	SHOW(splice(file, 0, a[1], &at, 1, 0));
	SHOW(splice(a[1], 0, out, 0, 1, 0));
	SHOW(splice(a[0], 0, a[1], 0, 1, 0));
	at = -1;
	SHOW(splice(file, &at, a[1], 0, 1, 0));
	int append = open("out", O_WRONLY | O_APPEND);
	MUST(append);
	MUST(write(a[1], "xyz", 3));
	SHOW(splice(a[0], 0, append, 0, 3, 0));
	int directory = open(".", O_RDONLY);
	MUST(directory);
	SHOW(splice(directory, 0, b[1], 0, 1, 0));
	int only = open("out", O_RDONLY);
	MUST(only);
	SHOW(splice(a[0], 0, only, 0, 3, 0));
	show_pipe("a", a[0]);
	close(append), close(directory), close(only), close(out);
}

static void pipes(void)
{
	puts("-- from pipe to pipe");
	MUST(write(a[1], "abcdefgh", 8));
	SHOW(tee(a[0], b[1], 3, 0));
	SHOW(tee(a[0], b[1], 2, SPLICE_F_NONBLOCK));
	SHOW(splice(a[0], 0, b[1], 0, 4, 0));
	show_pipe("b", b[0]);
	show_pipe("a", a[0]);
	SHOW(tee(a[0], b[1], 3, SPLICE_F_NONBLOCK));
	SHOW(splice(a[0], 0, b[1], 0, 4, SPLICE_F_NONBLOCK));
	SHOW(tee(a[0], b[1], 0, 0));
	SHOW(tee(a[0], b[1], 0, 64));
	SHOW(tee(a[0], a[1], 1, 0));
	SHOW(tee(file, a[1], 1, 0));
	SHOW(tee(a[0], b[0], 1, 0));
	fill(b[1]);
	MUST(write(a[1], "ij", 2));
	SHOW(tee(a[0], b[1], 1, SPLICE_F_NONBLOCK));
	SHOW(splice(a[0], 0, b[1], 0, 4, SPLICE_F_NONBLOCK));
	off_t at = 0;
	SHOW(splice(file, &at, b[1], 0, 4, SPLICE_F_NONBLOCK));
	show_pipe("a", a[0]);
}

static void memory(void)
{
	puts("-- memory");
	int c[2];
	MUST(pipe(c));
	char one[4] = "", two[8] = "";
	struct iovec out[] = { { (char *)"one", 3 }, { (char *)"", 0 }, { (char *)"three", 5 } };
	struct iovec in[] = { { one, 3 }, { two, 7 } };
	SHOW(vmsplice(c[1], out, 3, 0));
	SHOW(vmsplice(c[0], in, 2, 0));
	printf("[%s] [%s]\n", one, two);
	SHOW(vmsplice(c[0], in, 2, SPLICE_F_NONBLOCK));
	SHOW(vmsplice(c[1], out, 0, 0));
	SHOW(vmsplice(c[1], out, 1, 32));
	SHOW(vmsplice(file, out, 1, 0));
	SHOW(vmsplice(99, out, 1, 0));
	struct iovec bad = { BAD_POINTER, 4 };
	SHOW(vmsplice(c[1], &bad, 1, 0));
	fill(c[1]);
	SHOW(vmsplice(c[1], out, 1, SPLICE_F_NONBLOCK));
	close(c[0]), close(c[1]);
}

static void sockets(void)
{
	puts("-- sockets and devices");
	int s[2];
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	MUST(write(a[1], "to a socket", 11));
	SHOW(splice(a[0], 0, s[0], 0, 100, 0));
	SHOW(splice(s[1], 0, a[1], 0, 100, 0));
	show_pipe("a", a[0]);
	SHOW(splice(s[1], 0, a[1], 0, 100, SPLICE_F_NONBLOCK));
	off_t at = 0;
	SHOW(splice(s[1], &at, a[1], 0, 100, 0));
	close(s[0]);
	SHOW(splice(s[1], 0, a[1], 0, 100, 0));
	MUST(write(a[1], "gone", 4));
	SHOW(splice(a[0], 0, s[1], 0, 100, 0));
	close(s[1]);
	int null = open("/dev/null", O_WRONLY), zero = open("/dev/zero", O_RDONLY);
	MUST(null);
	MUST(zero);
	SHOW(splice(zero, 0, a[1], 0, 10, 0));
	SHOW(splice(a[0], 0, null, 0, 100, 0));
}

// Writes in small pieces, later than its reader begins to wait.
static void *feed(void *pipe)
{
	for (int i = 0; i < 3; i++) {
		sleep_ms(20);
		if (write(*(int *)pipe, "feed", 4) == -1) break;
	}
	return 0;
}

static volatile sig_atomic_t nr_alarms, nr_pipes;

static void count(int number)
{
	if (number == SIGPIPE) nr_pipes = nr_pipes + 1;
	else nr_alarms = nr_alarms + 1;
}

// Empties a pipe later than its writer begins to wait.
static void *drain(void *pipe)
{
	static char page[1 << 16];
	sleep_ms(20);
	if (read(*(int *)pipe, page, sizeof page) == -1) return 0;
	return 0;
}

static void waiting(void)
{
	puts("-- waiting");
	int c[2], d[2];
	MUST(pipe(c));
	MUST(pipe(d));
	pthread_t thread;
	fflush(stdout);
	pthread_create(&thread, 0, feed, &c[1]);
	SHOW(splice(c[0], 0, d[1], 0, 100, 0));
	SHOW(tee(c[0], d[1], 4, 0));
	SHOW(splice(c[0], 0, file, &(off_t){ 20 }, 4, 0));
	pthread_join(thread, 0);
	show_pipe("rest", c[0]);
	fill(d[1]);
	MUST(write(c[1], "last", 4));
	pthread_create(&thread, 0, drain, &d[0]);
	SHOW(splice(c[0], 0, d[1], 0, 100, 0));
	pthread_join(thread, 0);
	struct sigaction action = { .sa_handler = count };
	sigaction(SIGALRM, &action, 0);
	sigaction(SIGPIPE, &action, 0);
	struct itimerspec soon = { { 0, 30000000 }, { 0, 30000000 } };
	timer_t timer;
	MUST(timer_create(CLOCK_MONOTONIC, 0, &timer));
	MUST(timer_settime(timer, 0, &soon, 0));
	SHOW(splice(c[0], 0, d[1], 0, 100, 0));
	MUST(timer_delete(timer));
	SHOW_BOOL(nr_alarms > 0);
	close(c[1]);
	SHOW(splice(c[0], 0, d[1], 0, 100, 0));
	SHOW(tee(c[0], d[1], 100, 0));
	close(d[0]);
	MUST(pipe(c));
	MUST(write(c[1], "x", 1));
	SHOW(splice(c[0], 0, d[1], 0, 100, 0));
	SHOW(splice(file, &(off_t){ 0 }, d[1], 0, 100, 0));
	SHOW(vmsplice(d[1], &(struct iovec){ "x", 1 }, 1, 0));
	printf("SIGPIPE: %d\n", (int)nr_pipes);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	make_file("file", "0123456789abcdef");
	file = open("file", O_RDWR);
	MUST(file);
	MUST(pipe(a));
	MUST(pipe(b));
	files_and_pipes();
	pipes();
	memory();
	sockets();
	waiting();
	show_file("file");
	return 0;
}

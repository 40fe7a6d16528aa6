// socketpair(2), and what two connected sockets do: bytes, messages, ends, signals.
#include "socket.h"

static volatile sig_atomic_t nr_sigpipe;

static void count_sigpipe(int signal)
{
	(void)signal;
	nr_sigpipe++;
}

static void show_sigpipe(const char *what)
{
	printf("%s: %d SIGPIPE\n", what, (int)nr_sigpipe);
	nr_sigpipe = 0;
}

static void bad_arguments(void)
{
	int fds[2];
	SHOW(socketpair(AF_UNIX, SOCK_STREAM, 99, fds));
	SHOW(socketpair(AF_UNIX, 77, 0, fds));
	SHOW(socketpair(AF_UNIX, SOCK_RDM, 0, fds));
	SHOW(socketpair(12345, SOCK_STREAM, 0, fds));
	SHOW(socketpair(AF_UNIX, SOCK_STREAM | 0x100, 0, fds));
	SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, BAD_POINTER));
	SHOW(socketpair(AF_UNIX, SOCK_STREAM, AF_UNIX, fds));
	SHOW_BOOL(fds[1] == fds[0] + 1);
	close_pair(fds);
	SHOW(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
	SHOW_BOOL((fcntl(fds[0], F_GETFL) & O_NONBLOCK) != 0);
	SHOW_BOOL((fcntl(fds[1], F_GETFL) & O_ACCMODE) == O_RDWR);
	SHOW(fcntl(fds[1], F_GETFD));
	struct stat status;
	MUST(fstat(fds[0], &status));
	SHOW_BOOL(S_ISSOCK(status.st_mode));
	printf("mode %o\n", (unsigned)status.st_mode & 07777);
	SHOW(lseek(fds[0], 0, SEEK_SET));
	SHOW(fsync(fds[0]));
	SHOW(ftruncate(fds[0], 0));
	char byte;
	SHOW(pread(fds[0], &byte, 1, 0));
	close_pair(fds);
	SHOW(shutdown(0, SHUT_RD));
	SHOW(send(99, "x", 1, 0));
}

static void stream(void)
{
	int fds[2], bytes = -1;
	make_pair(SOCK_STREAM, fds);
	show_names("stream", fds[0]);
	show_poll("empty", fds[0]);
	SHOW(write(fds[0], "hello", 5));
	SHOW(send(fds[0], " world", 6, 0));
	show_poll("after writing", fds[1]);
	SHOW(ioctl(fds[1], FIONREAD, &bytes));
	printf("%d bytes\n", bytes);
	show_receive("peek", fds[1], 20, MSG_PEEK);
	show_receive("some", fds[1], 3, 0);
	show_receive("rest", fds[1], 20, 0);
	show_receive("nothing", fds[1], 20, 0);
	SHOW(write(fds[1], "", 0));
	show_receive("after an empty write", fds[0], 20, 0);

	struct iovec out[3] = { { "ab", 2 }, { "", 0 }, { "cdef", 4 } };
	SHOW(writev(fds[0], out, 3));
	char first[3] = "", second[8] = "";
	struct iovec in[2] = { { first, 2 }, { second, 7 } };
	SHOW(readv(fds[1], in, 2));
	printf("%s %s\n", first, second);
	SHOW(connect_to(fds[0], "@nobody-is-there"));
	SHOW(listen(fds[0], 1));
	SHOW(accept(fds[0], 0, 0));
	SHOW(send_to(fds[0], "x", "@nobody-is-there"));
	close_pair(fds);
}

static void ends(void)
{
	int fds[2];
	make_pair(SOCK_STREAM, fds);
	SHOW(write(fds[0], "last", 4));
	SHOW(shutdown(fds[0], SHUT_WR));
	SHOW(shutdown(fds[0], 3));
	SHOW(shutdown(fds[0], -1));
	show_poll("writer", fds[0]);
	show_poll("reader", fds[1]);
	show_receive("reader", fds[1], 20, 0);
	show_receive("end", fds[1], 20, 0);
	show_receive("end again", fds[1], 20, 0);
	SHOW(write(fds[0], "x", 1));
	show_sigpipe("after shutdown");
	SHOW(send(fds[0], "x", 1, MSG_NOSIGNAL));
	show_sigpipe("with MSG_NOSIGNAL");
	SHOW(write(fds[1], "back", 4));
	show_receive("other way", fds[0], 20, 0);
	SHOW(shutdown(fds[0], SHUT_RD));
	SHOW(write(fds[1], "x", 1));
	show_sigpipe("after the reader's shutdown");
	show_poll("both ended", fds[0]);
	show_poll("both ended, peer", fds[1]);
	close_pair(fds);

	make_pair(SOCK_STREAM, fds);
	SHOW(write(fds[0], "read me", 7));
	MUST(close(fds[0]));
	show_poll("peer closed", fds[1]);
	show_receive("what is left", fds[1], 20, 0);
	show_receive("end", fds[1], 20, 0);
	SHOW(write(fds[1], "x", 1));
	show_sigpipe("after close");
	SHOW(shutdown(fds[1], SHUT_RDWR));
	show_names("peer closed", fds[1]);
	close(fds[1]);

	make_pair(SOCK_STREAM, fds);
	SHOW(write(fds[1], "unread", 6));
	SHOW(write(fds[0], "for you", 7));
	MUST(close(fds[0]));
	show_poll("peer closed without reading", fds[1]);
	show_receive("data before the error", fds[1], 20, 0);
	show_receive("error", fds[1], 20, 0);
	show_receive("then the end", fds[1], 20, 0);
	SHOW(write(fds[1], "x", 1));
	show_sigpipe("after a reset");
	close(fds[1]);
}

static void full(void)
{
	int fds[2];
	static char chunk[65536];
	make_pair(SOCK_STREAM | SOCK_NONBLOCK, fds);
	memset(chunk, 'x', sizeof chunk);
	long long sent = 0, received = 0;
	ssize_t n;
	while ((n = write(fds[0], chunk, sizeof chunk)) > 0) sent += n;
	printf("full: %s\n", error_name(errno));
	show_poll("full", fds[0]);
	SHOW_BOOL(sent >= 65536);
	while ((n = read(fds[1], chunk, sizeof chunk)) > 0) received += n;
	printf("empty: %s\n", error_name(errno));
	SHOW_BOOL(sent == received);
	show_poll("empty again", fds[0]);
	close_pair(fds);

	make_pair(SOCK_DGRAM | SOCK_NONBLOCK, fds);
	sent = received = 0;
	while (write(fds[0], chunk, 1000) > 0) sent++;
	printf("full of datagrams: %s\n", error_name(errno));
	SHOW_BOOL(sent > 20);
	show_poll("full of datagrams", fds[0]);
	while (read(fds[1], chunk, sizeof chunk) == 1000) received++;
	SHOW_BOOL(sent == received);
	static char huge[500000];
	SHOW(send(fds[0], huge, sizeof huge, 0));
	close_pair(fds);
}

static void messages(const char *what, int type)
{
	int fds[2], bytes = -1;
	printf("-- %s\n", what);
	make_pair(type, fds);
	SHOW(send(fds[0], "one", 3, 0));
	SHOW(send(fds[0], "", 0, 0));
	SHOW(write(fds[0], "three", 5));
	SHOW(ioctl(fds[1], TIOCOUTQ, &bytes));
	show_receive("peek", fds[1], 20, MSG_PEEK);
	show_receive("cut", fds[1], 2, 0);
	show_receive("empty", fds[1], 20, 0);
	show_receive("whole length", fds[1], 2, MSG_TRUNC);
	show_receive("none", fds[1], 20, 0);
	SHOW(write(fds[0], "", 0));
	show_poll("an empty message", fds[1]);
	char byte;
	SHOW(read(fds[1], &byte, 0));
	SHOW(read(fds[1], &byte, 1));
	SHOW(shutdown(fds[0], SHUT_WR));
	show_poll("writer ended", fds[0]);
	show_poll("reader ended", fds[1]);
	SHOW(send(fds[0], "x", 1, 0));
	show_sigpipe("message after shutdown");
	SHOW(send(fds[1], "back", 4, 0));
	show_receive("back", fds[0], 20, 0);
	MUST(close(fds[0]));
	show_poll("peer closed", fds[1]);
	SHOW(send(fds[1], "x", 1, 0));
	show_sigpipe("message to a closed peer");
	SHOW(send(fds[1], "x", 1, 0));
	show_names("peer closed", fds[1]);
	close(fds[1]);
}

static void waiting(const char *self)
{
	int fds[2];
	char buffer[32] = "";
	make_pair(SOCK_STREAM, fds);
	char number[16];
	snprintf(number, sizeof number, "%d", fds[1]);
	pid_t pid = start_role(self, "echo", number, 0);
	close(fds[1]);
	SHOW(write(fds[0], "first", 5));
	SHOW(recv(fds[0], buffer, 10, MSG_WAITALL));
	printf("[%s]\n", buffer);
	SHOW(shutdown(fds[0], SHUT_WR));
	memset(buffer, 0, sizeof buffer);
	SHOW(recv(fds[0], buffer, sizeof buffer - 1, MSG_WAITALL));
	printf("[%s]\n", buffer);
	show_end("echo", pid);
	close(fds[0]);
}

// Answers what it reads, in two parts, until the end.
static int echo(int fd)
{
	char buffer[16];
	ssize_t n;
	while ((n = read(fd, buffer, sizeof buffer)) > 0) {
		MUST(write(fd, buffer, (size_t)n));
		usleep(20000);
		MUST(write(fd, "-two-", 5));
	}
	MUST(write(fd, "bye", 3));
	return n ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "echo")) return echo(atoi(argv[2]));
	signal(SIGPIPE, count_sigpipe);
	bad_arguments();
	stream();
	ends();
	full();
	messages("SOCK_DGRAM", SOCK_DGRAM);
	messages("SOCK_SEQPACKET", SOCK_SEQPACKET);
	waiting(argv[0]);
	return 0;
}

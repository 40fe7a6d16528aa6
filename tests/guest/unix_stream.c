// AF_UNIX streams by name: bind, listen, connect, accept, and what goes wrong there.
#include "socket.h"

static int listener(const char *name, int type, int backlog)
{
	int fd = socket(AF_UNIX, type, 0);
	MUST(fd);
	MUST(bind_to(fd, name));
	MUST(listen(fd, backlog));
	return fd;
}

static void bad_arguments(void)
{
	struct sockaddr_un address;
	SHOW(socket(AF_UNIX, SOCK_STREAM, 99));
	SHOW(socket(AF_UNIX, 10, 0));
	SHOW(socket(AF_UNIX, 11, 0));
	SHOW(socket(999, SOCK_STREAM, 0));
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	MUST(fd);
	socklen_t len = address_of(&address, "a-name");
	SHOW(bind(fd, (struct sockaddr *)&address, 0));
	SHOW(bind(fd, (struct sockaddr *)&address, 1));
	SHOW(bind(fd, (struct sockaddr *)&address, sizeof address + 1));
	SHOW(bind(fd, (struct sockaddr *)&address, 1000));
	SHOW(bind(fd, (struct sockaddr *)&address, (socklen_t)-1));
	SHOW(bind(fd, BAD_POINTER, len));
	address.sun_family = AF_INET;
	SHOW(bind(fd, (struct sockaddr *)&address, len));
	SHOW(connect(fd, (struct sockaddr *)&address, len));
	SHOW(bind_to(fd, "no-such-folder/name"));
	SHOW(listen(fd, 5));
	SHOW(accept(fd, 0, 0));
	SHOW(connect_to(fd, "missing"));
	SHOW(connect_to(fd, "@missing"));
	SHOW(send(fd, "x", 1, 0));
	SHOW(send_to(fd, "x", "@missing"));
	show_receive("not connected", fd, 1, 0);
	show_poll("not connected", fd);
	show_names("not connected", fd);
	SHOW(shutdown(fd, SHUT_RD));
	SHOW(accept4(fd, 0, 0, 1));
	close(fd);
	SHOW(bind_to(0, "x"));
	SHOW(listen(0, 1));
	SHOW(accept(77, 0, 0));
	MUST(fd = socket(AF_UNIX, SOCK_STREAM, 0));
	make_file("plain", "no socket");
	SHOW(bind_to(fd, "plain"));
	SHOW(connect_to(fd, "plain"));
	close(fd);
}

static void named(void)
{
	struct sockaddr_un address;
	socklen_t len = sizeof address;
	umask(022);
	int server = socket(AF_UNIX, SOCK_STREAM, 0);
	MUST(server);
	SHOW(bind_to(server, "server"));
	struct stat status;
	MUST(stat("server", &status));
	printf("%o, %s\n", (unsigned)status.st_mode & 07777, S_ISSOCK(status.st_mode) ? "a socket" : "no socket");
	show_names("bound", server);
	int client = socket(AF_UNIX, SOCK_STREAM, 0);
	MUST(client);
	SHOW(connect_to(client, "server"));
	SHOW(bind_to(server, "server2"));
	SHOW(bind_to(server, "server"));
	SHOW(access("server2", F_OK));
	SHOW(bind_to(client, "server"));
	SHOW(listen(server, 3));
	show_poll("listening", server);
	SHOW(bind_to(client, "client"));
	SHOW(connect_to(client, "server"));
	SHOW(connect_to(client, "server"));
	show_poll("a connection waits", server);
	show_poll("not accepted", client);
	show_names("not accepted", client);
	SHOW(write(client, "early", 5));
	memset(&address, 0, sizeof address);
	int fd = accept(server, (struct sockaddr *)&address, &len);
	MUST(fd);
	show_address("accepted", &address, len);
	show_names("accepted", fd);
	show_receive("early", fd, 20, 0);
	SHOW(send(fd, "welcome", 7, 0));
	char buffer[32] = "";
	memset(&address, 0, sizeof address);
	len = sizeof address;
	SHOW(recvfrom(client, buffer, sizeof buffer, 0, (struct sockaddr *)&address, &len));
	show_address(buffer, &address, len);
	SHOW(connect_to(server, "server"));
	SHOW(open("server", O_RDWR));
	SHOW(unlink("server"));
	int late = socket(AF_UNIX, SOCK_STREAM, 0);
	MUST(late);
	SHOW(connect_to(late, "server"));
	SHOW(write(client, "still", 5));
	show_receive("after unlink", fd, 20, 0);
	close(late);
	close(client);
	show_receive("client closed", fd, 20, 0);
	close(fd);
	close(server);
	SHOW(access("client", F_OK));
	// The name of a socket that is gone.
	MUST(client = socket(AF_UNIX, SOCK_STREAM, 0));
	SHOW(connect_to(client, "client"));
	SHOW(bind_to(client, "client"));
	close(client);
}

static void types(void)
{
	int server = listener("stream", SOCK_STREAM, 1);
	int wrong = socket(AF_UNIX, SOCK_SEQPACKET, 0), datagram = socket(AF_UNIX, SOCK_DGRAM, 0);
	SHOW(connect_to(wrong, "stream"));
	SHOW(connect_to(datagram, "stream"));
	SHOW(listen(datagram, 1));
	SHOW(accept(datagram, 0, 0));
	close(server);
	server = listener("@name", SOCK_STREAM, 1);
	// Types have names of their own.
	SHOW(connect_to(wrong, "@name"));
	SHOW(bind_to(wrong, "@name"));
	int second = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(bind_to(second, "@name"));
	SHOW(connect_to(second, "@name"));
	show_names("abstract", server);
	close(server);
	server = listener("@name", SOCK_STREAM, 1);
	close(server);
	close(wrong);
	close(datagram);
	close(second);
}

static void any_name(void)
{
	struct sockaddr_un address;
	socklen_t len = sizeof address;
	int one = socket(AF_UNIX, SOCK_STREAM, 0), other = socket(AF_UNIX, SOCK_STREAM, 0);
	memset(&address, 0, sizeof address);
	address.sun_family = AF_UNIX;
	SHOW(bind(one, (struct sockaddr *)&address, sizeof(sa_family_t)));
	SHOW(bind(other, (struct sockaddr *)&address, sizeof(sa_family_t)));
	MUST(getsockname(one, (struct sockaddr *)&address, &len));
	printf("any name: len %u, first byte %d\n", (unsigned)len, address.sun_path[0]);
	char first[8];
	memcpy(first, address.sun_path, 6);
	MUST(getsockname(other, (struct sockaddr *)&address, &len));
	SHOW_BOOL(memcmp(first, address.sun_path, 6) != 0);
	int on = 1;
	int client = socket(AF_UNIX, SOCK_STREAM, 0), server = listener("@server", SOCK_STREAM, 1);
	MUST(setsockopt(client, SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
	MUST(connect_to(client, "@server"));
	len = sizeof address;
	MUST(getsockname(client, (struct sockaddr *)&address, &len));
	printf("with SO_PASSCRED: len %u\n", (unsigned)len);
	close(one);
	close(other);
	close(client);
	close(server);
	// The longest path, without a NUL.
	memset(&address, 0, sizeof address);
	address.sun_family = AF_UNIX;
	memset(address.sun_path, 'p', sizeof address.sun_path);
	MUST(one = socket(AF_UNIX, SOCK_STREAM, 0));
	SHOW(bind(one, (struct sockaddr *)&address, sizeof address));
	char big[160];
	len = sizeof big;
	SHOW(getsockname(one, (struct sockaddr *)big, &len));
	printf("longest path: len %u\n", (unsigned)len);
	len = 4;
	memset(big, '!', sizeof big);
	SHOW(getsockname(one, (struct sockaddr *)big, &len));
	printf("cut: len %u, %c%c%c\n", (unsigned)len, big[2], big[3], big[4]);
	len = (socklen_t)-1;
	SHOW(getsockname(one, (struct sockaddr *)big, &len));
	close(one);
}

static void backlog(void)
{
	int server = listener("@busy", SOCK_STREAM, 1), fds[4];
	for (int i = 0; i < 4; i++) {
		MUST(fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
		SHOW(connect_to(fds[i], "@busy"));
	}
	int fd = accept(server, 0, 0);
	MUST(fd);
	SHOW(connect_to(fds[2], "@busy"));
	SHOW(connect_to(fds[3], "@busy"));
	SHOW(listen(server, 5));
	SHOW(connect_to(fds[3], "@busy"));
	close(fd);
	SHOW(write(fds[1], "lost", 4));
	close(server);
	// Connections that nobody accepted are reset.
	show_poll("listener closed", fds[1]);
	show_receive("listener closed", fds[1], 20, 0);
	show_receive("then the end", fds[1], 20, 0);
	for (int i = 0; i < 4; i++) close(fds[i]);

	MUST(server = listener("@quiet", SOCK_STREAM | SOCK_NONBLOCK, 1));
	SHOW(accept(server, 0, 0));
	SHOW(shutdown(server, SHUT_RD));
	SHOW(accept(server, 0, 0));
	MUST(fds[0] = socket(AF_UNIX, SOCK_STREAM, 0));
	SHOW(connect_to(fds[0], "@quiet"));
	show_poll("listener shut down", server);
	int bytes;
	SHOW(ioctl(server, FIONREAD, &bytes));
	close(fds[0]);
	close(server);
}

static void packets(void)
{
	int server = listener("@packets", SOCK_SEQPACKET, 1), client = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	SHOW(send(client, "x", 1, 0));
	show_receive("not connected", client, 1, 0);
	MUST(connect_to(client, "@packets"));
	int fd = accept(server, 0, 0);
	MUST(fd);
	SHOW(send(client, "one", 3, 0));
	SHOW(send(client, "two", 3, 0));
	SHOW(send_to(client, "three", "@nobody"));
	for (int i = 0; i < 4; i++) show_receive("packet", fd, 20, 0);
	close(client);
	show_receive("end", fd, 20, 0);
	close(fd);
	close(server);
}

static void permissions(void)
{
	int server = listener("locked", SOCK_STREAM, 1), client = socket(AF_UNIX, SOCK_STREAM, 0);
	MUST(chmod("locked", 0));
	if (geteuid() == 0) {
		MUST(chmod(".", 0755));
		MUST(setegid(1000));
		MUST(seteuid(1000));
	}
	SHOW(connect_to(client, "locked"));
	if (getuid() == 0) MUST(seteuid(0));
	MUST(chmod("locked", 0777));
	SHOW(connect_to(client, "locked"));
	close(client);
	close(server);
}

static int serve(void)
{
	int server = listener("service", SOCK_STREAM, 2);
	printf("ready\n");
	fflush(stdout);
	for (int i = 0; i < 3; i++) {
		char buffer[64];
		struct ucred peer;
		socklen_t len = sizeof peer;
		int fd = accept4(server, 0, 0, SOCK_CLOEXEC);
		MUST(fd);
		MUST(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len));
		if (peer.pid != getppid()) return 2;
		ssize_t n, sum = 0;
		while ((n = read(fd, buffer, sizeof buffer)) > 0) {
			sum += n;
			MUST(write(fd, buffer, (size_t)n));
		}
		if (n || sum != 12 + i) return 3;
		close(fd);
	}
	return 0;
}

static void processes(const char *self)
{
	pid_t pid = start_role(self, "serve", 0, 0);
	for (int i = 0; i < 3; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		MUST(fd);
		while (connect_to(fd, "service")) usleep(1000);
		char buffer[64] = "";
		MUST(write(fd, "hello server...", (size_t)(12 + i)));
		MUST(shutdown(fd, SHUT_WR));
		size_t sum = 0;
		ssize_t n;
		while ((n = read(fd, buffer + sum, sizeof buffer - 1 - sum)) > 0) sum += (size_t)n;
		printf("answer: %s\n", buffer);
		close(fd);
	}
	show_end("serve", pid);
	SHOW(unlink("service"));
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "serve")) return serve();
	signal(SIGPIPE, SIG_IGN);
	bad_arguments();
	named();
	types();
	any_name();
	backlog();
	packets();
	processes(argv[0]);
	permissions();
	return 0;
}

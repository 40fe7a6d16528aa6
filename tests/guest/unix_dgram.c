// AF_UNIX datagrams: names, associations, queues, several messages in one call.
#include "socket.h"

static int receiver(const char *name)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	MUST(fd);
	MUST(bind_to(fd, name));
	return fd;
}

static void show_from(const char *what, int fd)
{
	struct sockaddr_un address;
	socklen_t len = sizeof address;
	char buffer[64] = "";
	memset(&address, 0, sizeof address);
	ssize_t n = recvfrom(fd, buffer, sizeof buffer - 1, 0, (struct sockaddr *)&address, &len);
	if (n == -1) {
		printf("%s: %s\n", what, error_name(errno));
		return;
	}
	printf("%s: %d [%s]\n", what, (int)n, buffer);
	show_address("  from", &address, len);
}

static void names(void)
{
	int one = receiver("one"), other = socket(AF_UNIX, SOCK_DGRAM, 0);
	MUST(other);
	SHOW(send(other, "x", 1, 0));
	SHOW(send_to(other, "x", "missing"));
	SHOW(send_to(other, "x", "@missing"));
	SHOW(send_to(other, "unnamed", "one"));
	show_from("unnamed", one);
	SHOW(bind_to(other, "@other"));
	SHOW(send_to(other, "named", "one"));
	show_from("named", one);
	show_from("nothing", one);
	SHOW(send_to(one, "to myself", "one"));
	show_from("myself", one);
	SHOW(send_to(other, "", "one"));
	show_poll("an empty datagram", one);
	show_from("empty", one);
	struct sockaddr nothing = { .sa_family = AF_UNSPEC };
	SHOW(sendto(other, "x", 1, 0, &nothing, sizeof nothing));
	SHOW(sendto(other, "x", 1, 0, &nothing, 1));
	close(one);
	SHOW(send_to(other, "x", "one"));
	close(other);
}

static void associations(void)
{
	int one = receiver("@one"), two = receiver("@two"), three = receiver("@three");
	struct sockaddr nothing = { .sa_family = AF_UNSPEC };
	show_names("no association", two);
	SHOW(connect_to(two, "@one"));
	show_names("associated", two);
	SHOW(send(two, "to one", 6, 0));
	show_from("one", one);
	SHOW(send_to(two, "to three", "@three"));
	show_from("three", three);
	SHOW(connect_to(one, "@three"));
	// One takes messages of three alone now.
	SHOW(send(two, "x", 1, 0));
	SHOW(connect_to(two, "@one"));
	SHOW(send_to(three, "from three", "@one"));
	show_from("one", one);
	SHOW(connect(one, &nothing, sizeof nothing));
	show_names("no more", one);
	SHOW(send(two, "again", 5, 0));
	show_from("one", one);
	// An association that ends takes its messages along.
	SHOW(connect_to(one, "@two"));
	SHOW(send(one, "lost", 4, 0));
	SHOW(connect(two, &nothing, sizeof nothing));
	show_from("two", two);
	show_poll("one", one);
	int error;
	socklen_t len = sizeof error;
	SHOW(getsockopt(one, SOL_SOCKET, SO_ERROR, &error, &len));
	printf("error: %s\n", error ? error_name(error) : "none");
	SHOW(connect_to(two, "@one"));
	close(one);
	show_poll("receiver closed", two);
	SHOW(send(two, "x", 1, 0));
	SHOW(send(two, "x", 1, 0));
	show_names("receiver closed", two);
	close(two);
	close(three);
}

static void queue(void)
{
	int busy = receiver("@busy"), sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	MUST(sender);
	MUST(connect_to(sender, "@busy"));
	int count = 0;
	while (send(sender, "x", 1, 0) == 1) count++;
	printf("%d datagrams, then %s\n", count, error_name(errno));
	show_poll("full", sender);
	show_from("one", busy);
	show_poll("room", sender);
	SHOW(send(sender, "y", 1, 0));
	SHOW(send(sender, "z", 1, 0));
	SHOW(shutdown(busy, SHUT_RD));
	SHOW(send(sender, "z", 1, 0));
	show_poll("shut down", busy);
	close(sender);
	close(busy);
}

static void vectors(void)
{
	int fds[2];
	char a[8] = "", b[8] = "", c[8] = "";
	make_pair(SOCK_DGRAM, fds);
	struct iovec out[3] = { { "one", 3 }, { "second", 6 }, { "three", 5 } };
	struct iovec in[3] = { { a, 7 }, { b, 4 }, { c, 7 } };
	struct mmsghdr messages[3];
	memset(messages, 0, sizeof messages);
	for (int i = 0; i < 3; i++) {
		messages[i].msg_hdr.msg_iov = &out[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	SHOW(sendmmsg(fds[0], messages, 0, 0));
	SHOW(sendmmsg(fds[0], messages, 3, 0));
	printf("sent %u %u %u\n", messages[0].msg_len, messages[1].msg_len, messages[2].msg_len);
	for (int i = 0; i < 3; i++) {
		messages[i].msg_hdr.msg_iov = &in[i];
		messages[i].msg_len = 0;
	}
	SHOW(recvmmsg(fds[1], messages, 3, MSG_DONTWAIT, 0));
	for (int i = 0; i < 3; i++)
		printf("received %u%s\n", messages[i].msg_len,
			messages[i].msg_hdr.msg_flags & MSG_TRUNC ? ", cut" : "");
	printf("%s %s %s\n", a, b, c);
	SHOW(recvmmsg(fds[1], messages, 3, MSG_DONTWAIT, 0));
	MUST(send(fds[0], "only", 4, 0));
	SHOW(recvmmsg(fds[1], messages, 3, MSG_WAITFORONE, 0));
	MUST(send(fds[0], "soon", 4, 0));
	struct timespec none = { 0, 0 };
	SHOW(recvmmsg(fds[1], messages, 3, 0, &none));
	none.tv_nsec = -1;
	SHOW(recvmmsg(fds[1], messages, 3, 0, &none));
	messages[0].msg_hdr.msg_iov = BAD_POINTER;
	SHOW(sendmmsg(fds[0], messages, 3, 0));
	close_pair(fds);

	struct msghdr message;
	memset(&message, 0, sizeof message);
	make_pair(SOCK_DGRAM, fds);
	message.msg_iov = out;
	message.msg_iovlen = 3;
	SHOW(sendmsg(fds[0], &message, 0));
	message.msg_iovlen = 2000;
	SHOW(sendmsg(fds[0], &message, 0));
	SHOW(sendmsg(fds[0], BAD_POINTER, 0));
	in[0].iov_len = in[1].iov_len = in[2].iov_len = 2;
	message.msg_iov = in;
	message.msg_iovlen = 3;
	SHOW(recvmsg(fds[1], &message, MSG_TRUNC));
	printf("%.2s %.2s %.2s%s\n", a, b, c, message.msg_flags & MSG_TRUNC ? ", cut" : "");
	SHOW(recv(fds[1], a, 1, MSG_DONTWAIT));
	MUST(send(fds[0], "bad", 3, 0));
	SHOW(recv(fds[1], BAD_POINTER, 3, 0));
	SHOW(recv(fds[1], a, 3, MSG_DONTWAIT));
	SHOW(send(fds[0], BAD_POINTER, 3, 0));
	close_pair(fds);
}

// Waits for room, and then for a datagram.
static int send_many(const char *name)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	MUST(fd);
	for (int i = 0; i < 40; i++) {
		char text[16];
		snprintf(text, sizeof text, "%d", i);
		if (send_to(fd, text, name) != (ssize_t)strlen(text)) return 1;
	}
	return 0;
}

static void processes(const char *self)
{
	int fd = receiver("@many");
	pid_t pid = start_role(self, "many", "@many", 0);
	int next = 0;
	MUST(fcntl(fd, F_SETFL, 0));
	usleep(30000);
	while (next < 40) {
		char text[16] = "";
		MUST(recv(fd, text, sizeof text - 1, 0));
		if (atoi(text) != next) break;
		next++;
	}
	printf("%d in order\n", next);
	show_end("many", pid);
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "many")) return send_many(argv[2]);
	signal(SIGPIPE, SIG_IGN);
	names();
	associations();
	queue();
	vectors();
	processes(argv[0]);
	return 0;
}

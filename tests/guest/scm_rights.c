// Control messages of AF_UNIX: open files and credentials.
#include "socket.h"

#ifdef __clang__
// CMSG_NXTHDR of musl.
#pragma clang diagnostic ignored "-Wsign-compare"
#endif

#define MAX_FDS 300

union control {
	char bytes[CMSG_SPACE(MAX_FDS * sizeof(int))];
	struct cmsghdr align;
};

static ssize_t send_fds(int fd, const char *text, const int *fds, int count)
{
	static union control control;
	struct iovec iov = { (char *)text, strlen(text) };
	struct msghdr message;
	memset(&message, 0, sizeof message);
	message.msg_iov = &iov;
	message.msg_iovlen = 1;
	message.msg_control = control.bytes;
	message.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
	memcpy(CMSG_DATA(head), fds, (size_t)count * sizeof(int));
	return sendmsg(fd, &message, 0);
}

// Receives bytes and open files; prints how many there are of each.
static int receive_fds(const char *what, int fd, int *fds, size_t room, int flags)
{
	static union control control;
	char buffer[64] = "";
	struct iovec iov = { buffer, sizeof buffer - 1 };
	struct msghdr message;
	int count = 0;
	memset(&message, 0, sizeof message);
	memset(&control, 0, sizeof control);
	message.msg_iov = &iov;
	message.msg_iovlen = 1;
	message.msg_control = room ? control.bytes : 0;
	message.msg_controllen = (socklen_t)room;
	ssize_t n = recvmsg(fd, &message, flags);
	if (n == -1) {
		printf("%s: %s\n", what, error_name(errno));
		return -1;
	}
	for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head)) {
		if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
		count = (int)((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(head), (size_t)count * sizeof(int));
	}
	printf("%s: %d [%s], %d files%s%s\n", what, (int)n, buffer, count,
		message.msg_flags & MSG_CTRUNC ? ", cut" : "",
		message.msg_flags & MSG_CMSG_CLOEXEC ? ", cloexec" : "");
	return count;
}

static int nr_open(void)
{
	int count = 0;
	for (int fd = 0; fd < 1024; fd++) count += fcntl(fd, F_GETFD) != -1;
	return count;
}

static void pass(int type)
{
	int fds[2], pipes[2], got[MAX_FDS];
	char buffer[16] = "";
	make_pair(type, fds);
	MUST(pipe(pipes));
	SHOW(send_fds(fds[0], "pipe", &pipes[0], 1));
	close(pipes[0]);
	SHOW(receive_fds("a pipe", fds[1], got, sizeof(union control), 0));
	SHOW(write(pipes[1], "through", 7));
	SHOW(read(got[0], buffer, 15));
	printf("[%s]\n", buffer);
	SHOW(fcntl(got[0], F_GETFD));
	// The description is the same: its offset and flags are shared.
	close(got[0]);
	make_file("file", "0123456789");
	int file = open("file", O_RDONLY);
	MUST(file);
	SHOW(send_fds(fds[0], "f", &file, 1));
	SHOW(receive_fds("a file", fds[1], got, sizeof(union control), MSG_CMSG_CLOEXEC));
	SHOW(fcntl(got[0], F_GETFD));
	SHOW(read(got[0], buffer, 4));
	SHOW(lseek(file, 0, SEEK_CUR));
	close(got[0]);
	SHOW(lseek(file, 1, SEEK_SET));
	// No room.
	int two[2] = { file, file };
	SHOW(send_fds(fds[0], "two", two, 2));
	SHOW(receive_fds("room for one", fds[1], got, CMSG_LEN(sizeof(int)), 0));
	close(got[0]);
	SHOW(send_fds(fds[0], "two", two, 2));
	SHOW(receive_fds("no room", fds[1], got, 0, 0));
	SHOW(send_fds(fds[0], "two", two, 2));
	SHOW(receive_fds("room for a head", fds[1], got, CMSG_LEN(0), 0));
	SHOW(send_fds(fds[0], "peek", two, 2));
	SHOW(receive_fds("peek", fds[1], got, sizeof(union control), MSG_PEEK));
	close(got[0]);
	close(got[1]);
	SHOW(receive_fds("take", fds[1], got, sizeof(union control), 0));
	close(got[0]);
	close(got[1]);
	// read(2) drops them.
	SHOW(send_fds(fds[0], "dropped", two, 2));
	SHOW(read(fds[1], buffer, 15));
	close(file);
	close(pipes[1]);
	close_pair(fds);
}

static void boundaries(void)
{
	int fds[2], got[MAX_FDS], null = open("/dev/null", O_RDONLY);
	make_pair(SOCK_STREAM, fds);
	MUST(null);
	SHOW(write(fds[0], "before ", 7));
	SHOW(send_fds(fds[0], "with", &null, 1));
	SHOW(write(fds[0], " after", 6));
	SHOW(receive_fds("up to the file", fds[1], got, sizeof(union control), 0));
	close(got[0]);
	SHOW(receive_fds("behind it", fds[1], got, sizeof(union control), 0));
	SHOW(send_fds(fds[0], "one", &null, 1));
	SHOW(send_fds(fds[0], "two", &null, 1));
	SHOW(receive_fds("one", fds[1], got, sizeof(union control), 0));
	close(got[0]);
	SHOW(receive_fds("two", fds[1], got, sizeof(union control), MSG_WAITALL));
	close(got[0]);
	close(null);
	close_pair(fds);
}

static void mistakes(void)
{
	int fds[2], got[MAX_FDS], bad = 777;
	make_pair(SOCK_DGRAM, fds);
	SHOW(send_fds(fds[0], "bad", &bad, 1));
	bad = -1;
	SHOW(send_fds(fds[0], "bad", &bad, 1));
	SHOW(send_fds(fds[0], "none", &bad, 0));
	SHOW(receive_fds("none", fds[1], got, sizeof(union control), 0));
	static int many[MAX_FDS];
	for (int i = 0; i < MAX_FDS; i++) many[i] = 0;
	SHOW(send_fds(fds[0], "254", many, 254));
	SHOW(send_fds(fds[0], "253", many, 253));
	SHOW(receive_fds("253", fds[1], got, sizeof(union control), 0));
	for (int i = 0; i < 253; i++) close(got[i]);
	union control control;
	struct iovec iov = { "x", 1 };
	struct msghdr message;
	memset(&message, 0, sizeof message);
	memset(&control, 0, sizeof control);
	message.msg_iov = &iov;
	message.msg_iovlen = 1;
	message.msg_control = control.bytes;
	message.msg_controllen = CMSG_SPACE(sizeof(int));
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = 99;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	SHOW(sendmsg(fds[0], &message, 0));
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(100);
	SHOW(sendmsg(fds[0], &message, 0));
	head->cmsg_len = 4;
	SHOW(sendmsg(fds[0], &message, 0));
	head->cmsg_level = 77;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	SHOW(sendmsg(fds[0], &message, 0));
	close_pair(fds);
}

static void credentials(void)
{
	int fds[2], on = 1;
	make_pair(SOCK_DGRAM, fds);
	MUST(setsockopt(fds[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
	MUST(send(fds[0], "plain", 5, 0));
	union control control;
	char buffer[16] = "";
	struct iovec iov = { buffer, 15 };
	struct msghdr message;
	memset(&message, 0, sizeof message);
	message.msg_iov = &iov;
	message.msg_iovlen = 1;
	message.msg_control = control.bytes;
	message.msg_controllen = sizeof control.bytes;
	SHOW(recvmsg(fds[1], &message, 0));
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	struct ucred sender;
	SHOW_BOOL(head != 0 && head->cmsg_type == SCM_CREDENTIALS && head->cmsg_len == CMSG_LEN(sizeof sender));
	memcpy(&sender, CMSG_DATA(head), sizeof sender);
	SHOW_BOOL(sender.pid == getpid() && sender.uid == getuid() && sender.gid == getgid());
	// What a process says of itself.
	memset(&message, 0, sizeof message);
	memset(&control, 0, sizeof control);
	iov = (struct iovec){ "said", 4 };
	message.msg_iov = &iov;
	message.msg_iovlen = 1;
	message.msg_control = control.bytes;
	message.msg_controllen = CMSG_SPACE(sizeof sender);
	head = CMSG_FIRSTHDR(&message);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_CREDENTIALS;
	head->cmsg_len = CMSG_LEN(sizeof sender);
	memcpy(CMSG_DATA(head), &sender, sizeof sender);
	SHOW(sendmsg(fds[0], &message, 0));
	head->cmsg_len = CMSG_LEN(sizeof sender - 1);
	SHOW(sendmsg(fds[0], &message, 0));
	message.msg_controllen = CMSG_LEN(4);
	iov = (struct iovec){ buffer, 15 };
	SHOW(recvmsg(fds[1], &message, 0));
	printf("room for the pid alone: %s, len %d\n", message.msg_flags & MSG_CTRUNC ? "cut" : "whole",
		(int)head->cmsg_len - (int)CMSG_LEN(0));
	MUST(send(fds[0], "x", 1, 0));
	message.msg_control = 0;
	SHOW(recvmsg(fds[1], &message, 0));
	SHOW_BOOL((message.msg_flags & MSG_CTRUNC) != 0);
	close_pair(fds);
	// A stream that tells senders does not mix them; these are all the same.
	make_pair(SOCK_STREAM, fds);
	MUST(setsockopt(fds[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
	MUST(send(fds[0], "one", 3, 0));
	MUST(send(fds[0], "two", 3, 0));
	show_receive("together", fds[1], 20, 0);
	struct ucred peer;
	socklen_t len = sizeof peer;
	MUST(getsockopt(fds[0], SOL_SOCKET, SO_PEERCRED, &peer, &len));
	SHOW_BOOL(peer.pid == getpid() && peer.uid == geteuid());
	close_pair(fds);
	int lonely = socket(AF_UNIX, SOCK_STREAM, 0);
	MUST(getsockopt(lonely, SOL_SOCKET, SO_PEERCRED, &peer, &len));
	printf("no peer: pid %d, uid %d, gid %d\n", (int)peer.pid, (int)peer.uid, (int)peer.gid);
	close(lonely);
}

// Sockets that are in each other's queues alone.
static void circles(void)
{
	int before = nr_open();
	for (int i = 0; i < 2000; i++) {
		int one[2], other[2], pipes[2];
		make_pair(i & 1 ? SOCK_STREAM : SOCK_DGRAM, one);
		make_pair(SOCK_STREAM, other);
		MUST(pipe(pipes));
		MUST(send_fds(one[0], "a", &one[1], 1));
		MUST(send_fds(one[0], "p", &pipes[1], 1));
		MUST(send_fds(other[0], "b", &one[0], 1));
		MUST(send_fds(one[0], "c", &other[1], 1));
		close(pipes[1]);
		close_pair(other);
		close_pair(one);
		if (i % 500 == 0) {
			// The next close finds the circle: nobody has the pipe's end any more.
			int last[2];
			make_pair(SOCK_STREAM, last);
			close_pair(last);
			struct pollfd entry = { pipes[0], POLLIN, 0 };
			for (int wait = 0; wait < 200 && poll(&entry, 1, 10) == 0; wait++) {
				make_pair(SOCK_STREAM, last);
				close_pair(last);
			}
			printf("circle %d: %s\n", i, entry.revents & POLLHUP ? "collected" : "kept");
		}
		close(pipes[0]);
	}
	SHOW_BOOL(nr_open() == before);
	// A long chain, each in the queue of the next, closed at once.
	int chain[2], next[2];
	make_pair(SOCK_STREAM, chain);
	for (int i = 0; i < 500; i++) {
		make_pair(SOCK_STREAM, next);
		if (send_fds(next[0], "c", chain, 2) == -1) break;
		close_pair(chain);
		chain[0] = next[0];
		chain[1] = next[1];
	}
	close_pair(chain);
	SHOW_BOOL(nr_open() == before);
	// One in its own queue that is still wanted stays.
	int own[2], got[MAX_FDS];
	make_pair(SOCK_STREAM, own);
	MUST(send_fds(own[0], "me", &own[1], 1));
	make_pair(SOCK_STREAM, next);
	close_pair(next);
	SHOW(receive_fds("own end", own[1], got, sizeof(union control), 0));
	close(own[1]);
	SHOW(write(own[0], "alive", 5));
	show_receive("the same end", got[0], 20, 0);
	close(got[0]);
	close(own[0]);
}

static int child(int fd)
{
	int got[MAX_FDS];
	if (receive_fds("child", fd, got, sizeof(union control), 0) != 1) return 1;
	dprintf(got[0], "written by the child");
	return 0;
}

static void processes(const char *self)
{
	int fds[2];
	make_pair(SOCK_STREAM, fds);
	char number[16];
	snprintf(number, sizeof number, "%d", fds[1]);
	pid_t pid = start_role(self, "child", number, 0);
	int file = open("shared", O_RDWR | O_CREAT, 0644);
	MUST(file);
	MUST(send_fds(fds[0], "file", &file, 1));
	close(file);
	show_end("child", pid);
	show_file("shared");
	close_pair(fds);
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "child")) return child(atoi(argv[2]));
	printf("-- stream\n");
	pass(SOCK_STREAM);
	printf("-- datagrams\n");
	pass(SOCK_DGRAM);
	boundaries();
	mistakes();
	credentials();
	circles();
	processes(argv[0]);
	return 0;
}

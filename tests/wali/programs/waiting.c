/* Pipes, poll, select, epoll, timers, messages with descriptors: all that waits. */
#include "wali.h"

int run(int argc, char **argv)
{
	int fds[2], pair[2];
	char buf[64];
	(void)argc, (void)argv;
	SAY(sys_pipe2(fds, NONBLOCK));
	SAY(sys_read(fds[0], buf, 1));
	struct pollfd poll[2] = {{fds[0], 1, 0}, {fds[1], 4, 0}};
	SAY(sys_poll(poll, 2, 0));
	say("%x %x\n", (long)poll[0].revents, (long)poll[1].revents);
	SAY(sys_write(fds[1], "abc", 3));
	struct timespec none = {0, 0}, some = {0, 10000000};
	SAY(sys_ppoll(poll, 2, &none, 0, 8));
	say("%x %x\n", (long)poll[0].revents, (long)poll[1].revents);
	uint64_t readable[16] = {0}, mask = 0;
	readable[0] = 1ull << fds[0];
	struct timeval limit = {5, 0};
	SAY(sys_select(fds[0] + 1, readable, 0, 0, &limit));
	SAY(readable[0] == 1ull << fds[0]);
	SAY(limit.sec >= 4 && limit.sec <= 5 && limit.usec < 1000000);
	SAY(sys_read(fds[0], buf, 64));
	limit.sec = 0, limit.usec = 2000;
	SAY(sys_select(fds[0] + 1, readable, 0, 0, &limit));
	SAY(limit.sec + limit.usec);
	readable[0] = 1ull << fds[0];
	/* As libc hands the mask over: two registers. */
	long set[2] = {(long)&mask, 8};
	SAY(sys_pselect6(fds[0] + 1, readable, 0, 0, &some, set));
	limit.usec = -1;
	SAY(sys_select(0, 0, 0, 0, &limit));

	int ep = sys_epoll_create1(CLOEXEC);
	struct epoll_event event = {1, 0x123456789abcdef0}, events[80];
	SAY(sys_epoll_ctl(ep, 1, fds[0], &event));
	SAY(sys_epoll_ctl(ep, 1, fds[0], &event));
	int counter = sys_eventfd2(3, 0);
	event.data = 42;
	SAY(sys_epoll_ctl(ep, 1, counter, &event));
	SAY(sys_epoll_wait(ep, events, 80, 0));
	SAY(events[0].data);
	sys_write(fds[1], "x", 1);
	SAY(sys_epoll_pwait(ep, events, 80, -1, 0, 8));
	SAY(events[0].data + events[1].data == 42 + 0x123456789abcdef0 && (events[0].events & events[1].events) == 1);
	SAY(sys_epoll_wait(ep, events, 0, 0));
	uint64_t value;
	SAY(sys_read(counter, &value, 8));
	SAY(value);

	int timer = sys_timerfd_create(1, 0);
	struct itimerspec soon = {{0, 0}, {0, 5000000}};
	SAY(sys_timerfd_settime(timer, 0, &soon, 0));
	SAY(sys_read(timer, &value, 8));
	SAY(value);

	/* A descriptor goes through a socket, to another process. */
	SAY(sys_socketpair(1, 1, 0, pair));
	int file = sys_memfd_create("sent", 0);
	sys_write(file, "through a socket", 16);
	struct { struct cmsghdr head; int fd, pad; } control = {{20, 1, 1}, file, 0};
	struct iovec iov = {"message", 7};
	struct msghdr message;
	memset(&message, 0, sizeof message);
	message.iov = &iov, message.iovlen = 1;
	message.control = &control, message.controllen = sizeof control;
	SAY(sys_sendmsg(pair[0], &message, 0));
	int pid = sys_fork();
	if (pid == 0) {
		iov.base = buf, iov.len = sizeof buf;
		memset(&control, 0, sizeof control);
		message.controllen = sizeof control;
		SAY(sys_recvmsg(pair[1], &message, 0));
		say("%d %d %d %d %d\n", (long)message.controllen, (long)control.head.len, (long)control.head.level,
		    (long)control.head.type, (long)message.flags);
		SAY(control.fd != file && sys_lseek(control.fd, 8, 0) == 8);
		SAY(sys_read(control.fd, buf, 64));
		buf[8] = 0;
		say("%s\n", buf);
		sys_exit_group(0);
	}
	SAY(sys_wait4(pid, 0, 0, 0) == pid);
	control.head.len = 4;
	SAY(sys_sendmsg(pair[0], &message, 0));
	/* No room for the descriptor. */
	control.head.len = 20;
	SAY(sys_sendmsg(pair[0], &message, 0));
	message.controllen = 16, iov.base = buf;
	SAY(sys_recvmsg(pair[1], &message, 0));
	SAY(message.flags);
	struct timeval patience = {0, 3000};
	uint32_t n = sizeof patience;
	SAY(sys_setsockopt(pair[1], 1, 20, &patience, sizeof patience));
	message.control = 0;
	SAY(sys_recvmsg(pair[1], &message, 0));
	patience.usec = 0;
	SAY(sys_getsockopt(pair[1], 1, 20, &patience, &n));
	SAY(n == 16 && patience.usec >= 3000 && patience.usec < 8000);
	return 0;
}

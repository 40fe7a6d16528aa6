// signalfd: records of signals, several at once, other masks, readiness, children, queued values.
#include "check.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

static int is_ready(int fd, int timeout)
{
	struct pollfd entry = { fd, POLLIN, 0 };
	return poll(&entry, 1, timeout) == 1 && entry.revents == POLLIN;
}

static void show_read(const char *what, int fd, size_t size)
{
	struct signalfd_siginfo info[4];
	memset(info, 0x55, sizeof info);
	ssize_t n = read(fd, info, size);
	if (n == -1) {
		printf("%s: %s\n", what, error_name(errno));
		return;
	}
	printf("%s: %zd bytes\n", what, n);
	for (size_t i = 0; i < (size_t)n / sizeof *info; i++) {
		struct signalfd_siginfo *s = info + i;
		int from_us = (pid_t)s->ssi_pid == getpid() && s->ssi_uid == getuid();
		printf("  signal %u code %d errno %d int %d ptr %d status %d%s\n", s->ssi_signo, s->ssi_code,
			s->ssi_errno, s->ssi_int, (int)s->ssi_ptr, s->ssi_status, from_us ? " from us" : "");
	}
}

static void on_signal(int number)
{
	printf("handler of %d\n", number);
}

int main(int argc, char **argv)
{
	if (argc > 2) {
		sleep_ms(50);
		kill(getppid(), atoi(argv[2]));
		return 3;
	}
	sigset_t mask, all;
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigaddset(&mask, SIGKILL);
	sigfillset(&all);

	printf("-- errors\n");
	SHOW(signalfd(-1, &mask, 0x1000));
	SHOW(signalfd(0, &mask, 0));
	SHOW(signalfd(99, &mask, 0));
	SHOW(signalfd(-1, BAD_POINTER, 0));
	int fd = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
	SHOW_BOOL(fd >= 0);
	SHOW(fcntl(fd, F_GETFD));
	SHOW_BOOL(fcntl(fd, F_GETFL) == (O_RDWR | O_NONBLOCK));
	show_read("nothing", fd, 128);
	show_read("too small", fd, 127);
	SHOW(write(fd, "x", 1));

	printf("-- one\n");
	MUST(sigprocmask(SIG_BLOCK, &mask, 0));
	SHOW(is_ready(fd, 0));
	kill(getpid(), SIGUSR1);
	SHOW(is_ready(fd, 0));
	kill(getpid(), SIGUSR1);
	show_read("merged", fd, sizeof(struct signalfd_siginfo));
	SHOW(is_ready(fd, 0));
	show_read("taken", fd, 128);
	sigset_t pending;
	sigpending(&pending);
	SHOW(sigismember(&pending, SIGUSR1));

	printf("-- many\n");
	sigaddset(&mask, SIGUSR2);
	sigaddset(&mask, SIGRTMIN + 2);
	sigaddset(&mask, SIGCHLD);
	MUST(sigprocmask(SIG_BLOCK, &mask, 0));
	kill(getpid(), SIGUSR2);
	SHOW(is_ready(fd, 0));
	SHOW_BOOL(signalfd(fd, &mask, 0) == fd);
	SHOW(is_ready(fd, 0));
	sigqueue(getpid(), SIGRTMIN + 2, (union sigval){ .sival_int = 7 });
	sigqueue(getpid(), SIGRTMIN + 2, (union sigval){ .sival_int = 8 });
	kill(getpid(), SIGUSR1);
	struct signalfd_siginfo info[8];
	ssize_t n = read(fd, info, 3 * sizeof *info + 17);
	SHOW_BOOL(n == 3 * (ssize_t)sizeof *info);
	SHOW_BOOL(info[0].ssi_signo == SIGUSR1 && info[0].ssi_code == SI_USER);
	SHOW_BOOL(info[1].ssi_signo == SIGUSR2 && info[1].ssi_code == SI_USER);
	SHOW_BOOL((int)info[2].ssi_signo == SIGRTMIN + 2 && info[2].ssi_code == SI_QUEUE);
	SHOW(info[2].ssi_int);
	SHOW((int)info[2].ssi_ptr);
	n = read(fd, info, sizeof info);
	SHOW_BOOL(n == (ssize_t)sizeof *info);
	SHOW(info[0].ssi_int);

	printf("-- handlers get what is not blocked\n");
	signal(SIGUSR1, on_signal);
	sigset_t one;
	sigemptyset(&one);
	sigaddset(&one, SIGUSR1);
	sigprocmask(SIG_UNBLOCK, &one, 0);
	kill(getpid(), SIGUSR1);
	show_read("handled", fd, 128);
	sigprocmask(SIG_BLOCK, &one, 0);

	printf("-- waiting, in epoll too\n");
	fcntl(fd, F_SETFL, 0);
	int ep = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	MUST(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event));
	char number[12];
	snprintf(number, sizeof number, "%d", SIGUSR2);
	pid_t child = start_role(argv[0], "send", number, 0);
	n = read(fd, info, sizeof *info);
	SHOW_BOOL(n == (ssize_t)sizeof *info && info[0].ssi_signo == SIGUSR2);
	SHOW_BOOL((pid_t)info[0].ssi_pid == child);
	n = read(fd, info, sizeof *info);
	SHOW_BOOL(n == (ssize_t)sizeof *info && info[0].ssi_signo == SIGCHLD);
	SHOW_BOOL((pid_t)info[0].ssi_pid == child && info[0].ssi_code == CLD_EXITED);
	SHOW(info[0].ssi_status);
	show_end("child", child);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	child = start_role(argv[0], "send", number, 0);
	show_end("another", child);
	SHOW(epoll_wait(ep, &event, 1, 1000));
	SHOW(epoll_wait(ep, &event, 1, 0));

	printf("-- fdinfo\n");
	char path[40], line[80];
	sigemptyset(&one);
	sigaddset(&one, SIGHUP);
	sigaddset(&one, SIGSTOP);
	sigaddset(&one, SIGSYS);
	MUST(signalfd(fd, &one, 0));
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	FILE *file = fopen(path, "r");
	while (file && fgets(line, sizeof line, file))
		if (!strncmp(line, "sigmask", 7)) fputs(line, stdout);
	return 0;
}

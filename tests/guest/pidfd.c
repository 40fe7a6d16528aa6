// Descriptors of processes: polling, signals, waiting, other processes' files.
#include "check.h"
#include <poll.h>
#include <sys/syscall.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static int pidfd_open(pid_t pid, unsigned flags)
{
	return syscall(SYS_pidfd_open, pid, flags);
}

static int send_signal(int pidfd, int signal, siginfo_t *info, unsigned flags)
{
	return syscall(SYS_pidfd_send_signal, pidfd, signal, info, flags);
}

static int getfd(int pidfd, int fd, unsigned flags)
{
	return syscall(SYS_pidfd_getfd, pidfd, fd, flags);
}

static void show_poll(const char *when, int fd, int timeout)
{
	struct pollfd item = { .fd = fd, .events = POLLIN };
	int n = poll(&item, 1, timeout);
	printf("%s: poll %d,%s%s%s\n", when, n, item.revents & POLLIN ? " IN" : "",
		item.revents & POLLHUP ? " HUP" : "", item.revents & POLLERR ? " ERR" : "");
}

static void show_waitid(const char *what, int fd, int options)
{
	siginfo_t info;
	memset(&info, 0, sizeof info);
	if (waitid(P_PIDFD, fd, &info, options) == -1) printf("%s: %s\n", what, error_name(errno));
	else if (!info.si_pid) printf("%s: nothing\n", what);
	else printf("%s: signal %d, code %d, status %d\n", what, info.si_signo, info.si_code, info.si_status);
}

static void refusals(void)
{
	SHOW(pidfd_open(0, 0));
	SHOW(pidfd_open(-1, 0));
	SHOW(pidfd_open(999999, 0));
	SHOW(pidfd_open(getpid(), 1));
	SHOW(send_signal(0, 0, 0, 0));
	SHOW(send_signal(99, 0, 0, 0));
	SHOW(getfd(0, 0, 0));
	SHOW(getfd(99, 0, 0));
	show_waitid("no pidfd", 0, WEXITED);
	show_waitid("not open", 99, WEXITED);
	show_waitid("negative", -1, WEXITED);
}

static void own(void)
{
	char c;
	siginfo_t info;
	int fd = pidfd_open(getpid(), 0);
	MUST(fd);
	SHOW(fcntl(fd, F_GETFD));
	SHOW_BOOL((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR);
	show_poll("alive", fd, 0);
	SHOW(read(fd, &c, 1));
	SHOW(write(fd, "x", 1));
	SHOW(send_signal(fd, 0, 0, 0));
	SHOW(send_signal(fd, 65, 0, 0));
	SHOW(send_signal(fd, 0, 0, 77));
	memset(&info, 0, sizeof info);
	info.si_signo = SIGUSR1;
	info.si_code = SI_QUEUE;
	info.si_value.sival_int = 12;
	SHOW(send_signal(fd, SIGUSR2, &info, 0));
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	MUST(sigprocmask(SIG_BLOCK, &set, 0));
	SHOW(send_signal(fd, SIGUSR1, &info, 0));
	memset(&info, 0, sizeof info);
	SHOW(sigwaitinfo(&set, &info));
	SHOW(info.si_value.sival_int);
	SHOW(send_signal(fd, SIGUSR1, 0, 0));
	SHOW(sigwaitinfo(&set, &info));
	SHOW_BOOL(info.si_code == SI_USER && info.si_pid == getpid());
	// Of its own files.
	int p[2], copy;
	MUST(pipe(p));
	copy = getfd(fd, p[0], 0);
	MUST(copy);
	SHOW(fcntl(copy, F_GETFD));
	MUST(write(p[1], "y", 1));
	SHOW(read(copy, &c, 1));
	SHOW(getfd(fd, 99, 0));
	SHOW(getfd(fd, -1, 0));
	SHOW(getfd(fd, p[0], 1));
	close(fd);
}

static void child(char *self)
{
	pid_t pid = start_role(self, "wait", 0, 0);
	int fd = pidfd_open(pid, 0);
	int nonblocking = pidfd_open(pid, O_NONBLOCK);
	MUST(fd);
	MUST(nonblocking);
	show_poll("alive", fd, 0);
	show_waitid("without hanging", fd, WEXITED | WNOHANG);
	show_waitid("nonblocking", nonblocking, WEXITED);
	show_waitid("both", nonblocking, WEXITED | WNOHANG);
	// Stopping is no end.
	SHOW(send_signal(fd, SIGSTOP, 0, 0));
	show_waitid("stopped", fd, WSTOPPED);
	show_poll("stopped", fd, 0);
	SHOW(send_signal(fd, SIGCONT, 0, 0));
	show_waitid("continued", fd, WCONTINUED);
	SHOW(send_signal(fd, SIGTERM, 0, 0));
	show_poll("ended", fd, -1);
	// Seen by whoever asks later, too.
	show_poll("ended", nonblocking, 0);
	SHOW(send_signal(fd, 0, 0, 0));
	int late = pidfd_open(pid, 0);
	MUST(late);
	show_poll("opened late", late, 0);
	SHOW(getfd(fd, 0, 0));
	show_waitid("looked at", fd, WEXITED | WNOWAIT);
	show_waitid("waited for", fd, WEXITED);
	show_waitid("again", fd, WEXITED);
	// Linux has said so since 6.9 by POLLHUP, too.
	struct pollfd gone = { .fd = fd, .events = POLLIN };
	SHOW(poll(&gone, 1, 0));
	SHOW_BOOL(gone.revents & POLLIN);
	SHOW(send_signal(fd, 0, 0, 0));
	SHOW(getfd(fd, 0, 0));
	SHOW(pidfd_open(pid, 0));
	close(fd);
	close(late);
	close(nonblocking);
}

// A poll that waits while another waits for the process.
static void end_while_polling(char *self)
{
	pid_t pid = start_role(self, "soon", 0, 0);
	int fd = pidfd_open(pid, 0);
	MUST(fd);
	show_poll("ends soon", fd, 10000);
	show_end("ends soon", pid);
	close(fd);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, 0, _IOLBF, 0);
	if (argc > 1) {
		if (!strcmp(argv[1], "soon")) {
			sleep_ms(30);
			return 4;
		}
		for (;;) pause();
	}
	refusals();
	own();
	child(argv[0]);
	end_while_polling(argv[0]);
	return 0;
}

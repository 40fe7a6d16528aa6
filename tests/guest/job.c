// Job control: sessions, process groups, the controlling terminal, who may read and write it.
#include "terminal.h"

static char *self;

// What the terminal hears of: a child tells its parent over this descriptor, its number 3.
enum { TELL = 3 };

static int master, slave, channel[2];
static char path[64];

// Starts this program in a role: in a process group (0: one of its own, -1: ours), or in a session of its own.
static pid_t start(const char *role, const char *argument, pid_t group, int is_leader)
{
	posix_spawnattr_t attributes;
	posix_spawn_file_actions_t actions;
	char *argv[] = { self, (char *)role, (char *)argument, path, 0 };
	short flags = is_leader ? POSIX_SPAWN_SETSID : group >= 0 ? POSIX_SPAWN_SETPGROUP : 0;
	pid_t pid;
	fflush(stdout);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, flags);
	posix_spawnattr_setpgroup(&attributes, group);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, channel[1], TELL);
	int error = posix_spawn(&pid, self, &actions, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	if (error) {
		printf("cannot start %s: %s\n", role, error_name(error));
		exit(99);
	}
	return pid;
}

// Waits for the next change of a child and prints it.
static void show_change(const char *what, pid_t pid)
{
	int status;
	pid_t result;
	while ((result = waitpid(pid, &status, WUNTRACED | WCONTINUED)) == -1 && errno == EINTR) {
	}
	if (result == pid) show_status(what, status);
	else printf("%s: %s\n", what, error_name(errno));
}

// Waits until a child that was continued stops anew, and prints that. Whether it was seen running depends on who
// is faster, so nobody asks.
static void show_stop(const char *what, pid_t pid)
{
	int status;
	MUST(waitpid(pid, &status, WUNTRACED));
	show_status(what, status);
}

// Tells the parent, on the channel.
static void tell(const char *text)
{
	MUST(write(TELL, text, strlen(text)));
}

// Prints what a child tells, until the end of a line.
static void hear(const char *what)
{
	char line[128];
	size_t length = 0;
	while (length < sizeof line - 1 && comes(channel[0], POLLIN, PATIENCE) &&
	       read(channel[0], line + length, 1) == 1 && line[length] != '\n')
		length++;
	line[length] = 0;
	printf("%s: %s\n", what, line);
}

// A hang-up comes with SIGHUP and SIGCONT; which handler runs first is the kernel's choice.
static void hear_hang_up(const char *what)
{
	int is_heard[100] = { 0 };
	for (int i = 0; i < 2; i++) {
		char line[16] = "";
		if (comes(channel[0], POLLIN, PATIENCE)) MUST(read(channel[0], line, 10));
		if (!strncmp(line, "signal ", 7)) is_heard[atoi(line + 7) % 100]++;
	}
	printf("%s: SIGHUP %d, SIGCONT %d\n", what, is_heard[SIGHUP], is_heard[SIGCONT]);
}

static void tell_result(const char *what, long result)
{
	char line[128];
	if (result == -1) snprintf(line, sizeof line, "%s %s\n", what, error_name(errno));
	else snprintf(line, sizeof line, "%s %ld\n", what, result);
	tell(line);
}

static void tell_signal(int number)
{
	char line[] = "signal 00\n";
	line[7] += number / 10;
	line[8] += number % 10;
	tell(line);
}

static void ignore_signal(const char *number)
{
	if (atoi(number)) signal(atoi(number), SIG_IGN);
}

// What a child does.
static int role(char **argv)
{
	const char *name = argv[1];
	char byte;
	struct termios settings;
	if (!strcmp(name, "read")) {
		ignore_signal(argv[2]);
		int tty = open("/dev/tty", O_RDWR);
		MUST(tty);
		tell_result("read", read(tty, &byte, 1));
		return 1;
	}
	if (!strcmp(name, "write")) {
		ignore_signal(argv[2]);
		int tty = open("/dev/tty", O_RDWR);
		MUST(tty);
		tell_result("write", write(tty, "W", 1));
		return 2;
	}
	if (!strcmp(name, "set")) {
		ignore_signal(argv[2]);
		int tty = open("/dev/tty", O_RDWR);
		MUST(tty);
		MUST(tcgetattr(tty, &settings));
		tell_result("set", tcsetattr(tty, TCSANOW, &settings));
		return 3;
	}
	if (!strcmp(name, "grab")) {
		ignore_signal(argv[2]);
		int tty = open("/dev/tty", O_RDWR);
		MUST(tty);
		tell_result("grab", tcsetpgrp(tty, getpgrp()));
		return 4;
	}
	if (!strcmp(name, "wait")) {
		tell("ready\n");
		for (;;) pause();
	}
	if (!strcmp(name, "catch")) {
		// The job is to tell of the signal in this argument.
		signal(atoi(argv[2]), tell_signal);
		tell("ready\n");
		for (;;) pause();
	}
	if (!strcmp(name, "once")) {
		// The signal may come before we wait for it.
		sigset_t awaited, others;
		sigemptyset(&awaited);
		sigaddset(&awaited, atoi(argv[2]));
		MUST(sigprocmask(SIG_BLOCK, &awaited, &others));
		signal(atoi(argv[2]), tell_signal);
		tell("ready\n");
		sigsuspend(&others);
		return 10;
	}
	if (!strcmp(name, "leave")) {
		// A member of the session that has no terminal any more.
		int tty = open("/dev/tty", O_RDWR);
		MUST(tty);
		tell_result("TIOCNOTTY", ioctl(tty, TIOCNOTTY));
		tell_result("/dev/tty", open("/dev/tty", O_RDWR));
		tell_result("TIOCNOTTY", ioctl(tty, TIOCNOTTY));
		return 5;
	}
	if (!strcmp(name, "foreign")) {
		// In a session of its own: the terminal belongs to another.
		tell_result("/dev/tty", open("/dev/tty", O_RDWR));
		int tty = open(argv[3], O_RDWR);
		MUST(tty);
		tell_result("tcgetpgrp", tcgetpgrp(tty));
		tell_result("tcsetpgrp", tcsetpgrp(tty, getpgrp()));
		tell_result("tcgetsid", tcgetsid(tty));
		tell_result("TIOCSCTTY", ioctl(tty, TIOCSCTTY, 0));
		tell_result("write", write(tty, "F", 1));
		return 6;
	}
	if (!strcmp(name, "lead")) {
		// A leader with a terminal that it opens: its child hears of its end.
		int tty = open(argv[3], O_RDWR);
		MUST(tty);
		tell_result("leads", tcgetsid(tty) == getpid());
		char *child[] = { argv[0], (char *)"once", (char *)"1", 0 };
		pid_t pid;
		if (posix_spawn(&pid, argv[0], 0, 0, child, environ)) return 99;
		MUST(read(tty, &byte, 1));
		return 7;
	}
	if (!strcmp(name, "lose")) {
		// A leader whose terminal hangs up.
		int tty = open(argv[3], O_RDWR);
		MUST(tty);
		MUST(tcflush(tty, TCIFLUSH));
		signal(SIGHUP, tell_signal);
		signal(SIGCONT, tell_signal);
		tell("ready\n");
		long result = read(tty, &byte, 1);
		while (result == -1 && errno == EINTR) result = read(tty, &byte, 1);
		// Linux says which of the two it met.
		tell_result("ends", result == 0 || errno == EIO);
		tell_result("/dev/tty", open("/dev/tty", O_RDWR));
		return 8;
	}
	if (!strcmp(name, "orphan")) {
		// Stops in a group of its own, which its parent leaves alone.
		signal(SIGHUP, tell_signal);
		signal(SIGCONT, tell_signal);
		tell("stops\n");
		raise(SIGTSTP);
		tell("goes on\n");
		raise(SIGTSTP);
		tell("orphans do not stop\n");
		int tty = open("/dev/tty", O_RDWR);
		MUST(tty);
		tell_result("read", read(tty, &byte, 1));
		tell_result("set", tcsetpgrp(tty, getpgrp()));
		return 9;
	}
	if (!strcmp(name, "parent")) {
		// Starts the orphan and ends.
		posix_spawnattr_t attributes;
		char *child[] = { argv[0], (char *)"orphan", 0 };
		pid_t pid;
		int status;
		posix_spawnattr_init(&attributes);
		posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
		if (posix_spawn(&pid, argv[0], 0, &attributes, child, environ)) return 99;
		MUST(waitpid(pid, &status, WUNTRACED));
		return WIFSTOPPED(status) ? WSTOPSIG(status) : 98;
	}
	return 97;
}

static void sessions(void)
{
	SHOW_BOOL(getsid(0) == getpid());
	SHOW(setsid());
	SHOW(open("/dev/tty", O_RDWR));
	master = posix_openpt(O_RDWR | O_NOCTTY);
	MUST(master);
	MUST(grantpt(master));
	MUST(unlockpt(master));
	strcpy(path, ptsname(master));
	slave = open(path, O_RDWR | O_NOCTTY);
	MUST(slave);
	SHOW(tcgetpgrp(slave));
	SHOW(tcgetsid(slave));
	SHOW(open("/dev/tty", O_RDWR));
	// Started before we have a terminal: has none.
	pid_t early = start("catch", "28", -1, 0);
	hear("early");
	SHOW(ioctl(slave, TIOCSCTTY, 0));
	SHOW(ioctl(slave, TIOCSCTTY, 0));
	SHOW_BOOL(tcgetpgrp(slave) == getpgrp());
	SHOW_BOOL(tcgetsid(slave) == getpid());
	SHOW(tcgetsid(0));
	SHOW(tcsetpgrp(slave, 0x7fffffff));
	SHOW(tcsetpgrp(slave, -1));
	SHOW(tcsetpgrp(slave, 1));
	SHOW_BOOL(tcgetpgrp(master) == getpgrp());
	SHOW_BOOL(tcgetsid(master) == getpid());
	int tty = open("/dev/tty", O_RDWR);
	SHOW_BOOL(tty >= 0);
	char name[64];
	SHOW_BOOL(ttyname_r(slave, name, sizeof name) == 0 && strcmp(name, path) == 0);
	MUST(close(tty));
	// It is in the group that hears of a new size, whether it has the terminal or not.
	struct winsize size = { 24, 80, 0, 0 };
	signal(SIGWINCH, SIG_IGN);
	MUST(ioctl(master, TIOCSWINSZ, &size));
	hear("early");
	MUST(ioctl(master, TIOCSWINSZ, &size));
	silence("the same size", channel[0]);
	MUST(kill(early, SIGKILL));
	show_end("early", early);
	pid_t foreign = start("foreign", "", 0, 1);
	for (int i = 0; i < 6; i++) hear("foreign");
	show_end("foreign", foreign);
	take("its output", master, 1);
	pid_t leaving = start("leave", "", -1, 0);
	for (int i = 0; i < 3; i++) hear("leaving");
	show_end("leaving", leaving);
}

static void background(void)
{
	pid_t job = start("read", "0", 0, 0);
	show_change("reader", job);
	MUST(tcsetpgrp(slave, job));
	MUST(kill(-job, SIGCONT));
	show_change("reader", job);
	put(master, "x\n");
	hear("reader");
	show_end("reader", job);
	// The foreground is gone, and we are in the background.
	signal(SIGTTOU, SIG_IGN);
	SHOW(tcsetpgrp(slave, getpgrp()));
	signal(SIGTTOU, SIG_DFL);
	take("echo", master, 3);
	tcflush(slave, TCIOFLUSH);
	job = start("read", "21", 0, 0);
	hear("deaf reader");
	show_end("deaf reader", job);
	job = start("write", "0", 0, 0);
	hear("writer");
	show_end("writer", job);
	take("written", master, 1);
	struct termios settings;
	MUST(tcgetattr(slave, &settings));
	settings.c_lflag |= TOSTOP;
	MUST(tcsetattr(slave, TCSANOW, &settings));
	job = start("write", "0", 0, 0);
	show_change("writer", job);
	MUST(kill(job, SIGCONT));
	show_stop("writer stops again", job);
	MUST(kill(job, SIGKILL));
	show_end("writer", job);
	job = start("write", "22", 0, 0);
	hear("deaf writer");
	show_end("deaf writer", job);
	take("written", master, 1);
	job = start("set", "0", 0, 0);
	show_change("setter", job);
	MUST(kill(job, SIGKILL));
	show_end("setter", job);
	job = start("set", "22", 0, 0);
	hear("deaf setter");
	show_end("deaf setter", job);
	job = start("grab", "0", 0, 0);
	show_change("grabber", job);
	MUST(kill(job, SIGKILL));
	show_end("grabber", job);
	job = start("grab", "22", 0, 0);
	hear("deaf grabber");
	show_end("deaf grabber", job);
	SHOW_BOOL(tcgetpgrp(slave) == job);
	signal(SIGTTOU, SIG_IGN);
	SHOW(tcsetpgrp(slave, getpgrp()));
	signal(SIGTTOU, SIG_DFL);
	settings.c_lflag &= ~TOSTOP;
	MUST(tcsetattr(slave, TCSANOW, &settings));
}

static void keys(void)
{
	signal(SIGTTOU, SIG_IGN);
	pid_t job = start("wait", "", 0, 0);
	hear("job");
	MUST(tcsetpgrp(slave, job));
	put(master, "\x1a");
	show_change("^Z", job);
	MUST(kill(job, SIGCONT));
	show_change("continued", job);
	put(master, "\x03");
	show_change("^C", job);
	job = start("wait", "", 0, 0);
	pid_t other = start("wait", "", job, 0);
	hear("job");
	hear("other");
	SHOW_BOOL(getpgid(other) == job);
	MUST(tcsetpgrp(slave, job));
	put(master, "\x1a");
	show_change("^Z", job);
	show_change("^Z", other);
	// Continued in the background.
	MUST(tcsetpgrp(slave, getpgrp()));
	MUST(kill(-job, SIGCONT));
	show_change("continued", job);
	show_change("continued", other);
	SHOW(setpgid(other, 0));
	SHOW(setpgid(getpid(), 0));
	MUST(kill(-job, SIGTERM));
	show_end("job", job);
	show_end("other", other);
	job = start("catch", "28", 0, 0);
	hear("job");
	MUST(tcsetpgrp(slave, job));
	struct winsize size = { 30, 90, 0, 0 };
	MUST(ioctl(slave, TIOCSWINSZ, &size));
	hear("new size");
	SHOW(ioctl(master, TIOCSIG, SIGINT));
	show_end("job", job);
	MUST(tcsetpgrp(slave, getpgrp()));
	signal(SIGTTOU, SIG_DFL);
	char bytes[99];
	while (comes(master, POLLIN, SILENCE)) MUST(read(master, bytes, sizeof bytes));
}

static void orphans(void)
{
	pid_t parent = start("parent", "", 0, 0);
	hear("orphan");
	show_end("parent", parent);
	hear_hang_up("orphan");
	for (int i = 0; i < 4; i++) hear("orphan");
}

static void ends_of_sessions(void)
{
	int other_master = posix_openpt(O_RDWR | O_NOCTTY);
	MUST(other_master);
	MUST(unlockpt(other_master));
	// Its last descriptor is ours.
	MUST(fcntl(other_master, F_SETFD, FD_CLOEXEC));
	strcpy(path, ptsname(other_master));
	// The leader ends: the group in the foreground hears of it.
	pid_t leader = start("lead", "", 0, 1);
	hear("leader");
	hear("child");
	SHOW(ioctl(other_master, TIOCSIG, SIGWINCH));
	put(other_master, "x\n");
	show_end("leader", leader);
	hear("child");
	// The terminal is free for another session.
	leader = start("lose", "", 0, 1);
	hear("next leader");
	MUST(close(other_master));
	hear_hang_up("next leader");
	hear("next leader");
	hear("next leader");
	show_end("next leader", leader);
	// We give ours up.
	signal(SIGHUP, tell_signal);
	signal(SIGCONT, tell_signal);
	MUST(dup2(channel[1], TELL));
	SHOW(ioctl(slave, TIOCNOTTY));
	hear_hang_up("ours");
	SHOW(open("/dev/tty", O_RDWR));
	SHOW(tcgetpgrp(slave));
	// An open makes it ours again.
	int again = open(ptsname(master), O_WRONLY);
	SHOW(tcgetsid(again));
	MUST(close(again));
	again = open(ptsname(master), O_RDWR);
	SHOW_BOOL(tcgetsid(again) == getpid());
	// The superuser may; others must be able to read it.
	SHOW(ioctl(again, TIOCNOTTY));
	hear_hang_up("ours");
	MUST(close(again));
	MUST(chmod(ptsname(master), 0666));
	MUST(seteuid(65534));
	again = open(ptsname(master), O_WRONLY);
	SHOW(ioctl(again, TIOCSCTTY, 0));
	MUST(close(again));
	again = open(ptsname(master), O_RDWR | O_NOCTTY);
	SHOW(ioctl(again, TIOCSCTTY, 1));
	MUST(seteuid(0));
	SHOW(vhangup());
	hear_hang_up("ours");
	char byte;
	SHOW(read(again, &byte, 1));
	SHOW(open("/dev/tty", O_RDWR));
}

int main(int argc, char **argv)
{
	self = argv[0];
	if (argc > 1) return role(argv);
	MUST(pipe2(channel, O_CLOEXEC));
	// The number that children use is not one of ours.
	MUST(fcntl(channel[0], F_DUPFD_CLOEXEC, 20));
	channel[0] = fcntl(channel[0], F_DUPFD_CLOEXEC, 20);
	channel[1] = fcntl(channel[1], F_DUPFD_CLOEXEC, 20);
	MUST(dup2(0, TELL));
	sessions();
	background();
	keys();
	orphans();
	ends_of_sessions();
	return 0;
}

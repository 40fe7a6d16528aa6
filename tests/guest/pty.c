// Pseudo-terminals: pairs, locks, sizes, packets, hang-ups, /dev/pts.
#include "terminal.h"
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif
#ifndef TIOCGPTLCK
#define TIOCGPTLCK 0x80045439
#endif
#ifndef TIOCGPKT
#define TIOCGPKT 0x80045438
#endif

static void locks(void)
{
	int n, unlock = 0;
	struct stat status;
	struct statfs fs;
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	MUST(master);
	SHOW_BOOL(isatty(master));
	SHOW_BOOL(ioctl(master, TIOCGPTN, &n) == 0 && n >= 0);
	MUST(ioctl(master, TIOCGPTLCK, &n));
	printf("locked: %d\n", n);
	char path[64];
	SHOW_BOOL(ptsname_r(master, path, sizeof path) == 0);
	SHOW_BOOL(strncmp(path, "/dev/pts/", 9) == 0);
	SHOW(open(path, O_RDWR | O_NOCTTY));
	SHOW(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY));
	SHOW(ioctl(master, TIOCSPTLCK, &unlock));
	MUST(ioctl(master, TIOCGPTLCK, &n));
	printf("locked: %d\n", n);
	int slave = open(path, O_RDWR | O_NOCTTY);
	MUST(slave);
	SHOW_BOOL(isatty(slave));
	char name[64];
	SHOW_BOOL(ttyname_r(slave, name, sizeof name) == 0 && strcmp(name, path) == 0);
	MUST(fstat(slave, &status));
	SHOW_BOOL(S_ISCHR(status.st_mode));
	SHOW_BOOL(status.st_uid == geteuid());
	printf("major %d\n", (int)major(status.st_rdev));
	MUST(statfs("/dev/pts", &fs));
	printf("magic %lx\n", (long)fs.f_type);
	int peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	MUST(peer);
	SHOW(fcntl(peer, F_GETFD));
	SHOW_BOOL(ttyname_r(peer, name, sizeof name) == 0 && strcmp(name, path) == 0);
	SHOW(ioctl(slave, TIOCGPTPEER, O_RDWR));
	SHOW(ioctl(slave, TIOCGPTN, &n));
	SHOW(ioctl(0, TIOCGPTPEER, O_RDWR));
	MUST(close(peer));
	MUST(close(slave));
	MUST(close(master));
	SHOW(open(path, O_RDWR | O_NOCTTY));
}

static void bytes(void)
{
	int master, slave, n;
	open_pair(&master, &slave);
	put(master, "hello\r");
	take("line", slave, 6);
	take("echo", master, 7);
	put(slave, "one\ntwo\n");
	take("output", master, 10);
	put(master, "abc\x7f\x7f" "d\n");
	take("edited", slave, 3);
	take("screen", master, 12);
	put(master, "ab\ncd\n\x04");
	take_once("first line", slave, 99);
	SHOW_BOOL(comes(slave, POLLIN, PATIENCE));
	take_once("second line", slave, 2);
	take_once("its rest", slave, 99);
	take_once("end of file", slave, 99);
	silence("nothing more", slave);
	take("echoes", master, 8);
	put(slave, "xyz");
	SHOW_BOOL(comes(master, POLLIN, PATIENCE));
	SHOW(ioctl(master, FIONREAD, &n));
	printf("to read: %d\n", n);
	SHOW(ioctl(slave, TIOCOUTQ, &n));
	printf("on its way: %d\n", n);
	SHOW(lseek(master, 0, SEEK_SET));
	SHOW(fcntl(master, F_SETFL, O_NONBLOCK));
	take("rest", master, 3);
	char c;
	SHOW(read(master, &c, 1));
	MUST(close(slave));
	MUST(close(master));
}

static volatile int nr_winch;

static void count(int signal)
{
	(void)signal;
	nr_winch++;
}

static void sizes(void)
{
	int master, slave;
	struct winsize size;
	open_pair(&master, &slave);
	MUST(ioctl(slave, TIOCGWINSZ, &size));
	printf("%d %d\n", size.ws_row, size.ws_col);
	size.ws_row = 50;
	size.ws_col = 132;
	signal(SIGWINCH, count);
	MUST(ioctl(master, TIOCSWINSZ, &size));
	memset(&size, 0, sizeof size);
	MUST(ioctl(slave, TIOCGWINSZ, &size));
	printf("%d %d\n", size.ws_row, size.ws_col);
	size.ws_row = 10;
	MUST(ioctl(slave, TIOCSWINSZ, &size));
	MUST(ioctl(master, TIOCGWINSZ, &size));
	printf("%d %d\n", size.ws_row, size.ws_col);
	// Nobody's controlling terminal: nobody hears of it.
	printf("signals: %d\n", nr_winch);
	MUST(close(slave));
	MUST(close(master));
}

static void packets(void)
{
	int master, slave, on = 1, n;
	struct termios settings;
	open_pair(&master, &slave);
	MUST(ioctl(master, TIOCGPKT, &n));
	printf("packets: %d\n", n);
	SHOW(ioctl(slave, TIOCPKT, &on));
	MUST(ioctl(master, TIOCPKT, &on));
	MUST(ioctl(master, TIOCGPKT, &n));
	printf("packets: %d\n", n);
	put(slave, "data");
	take_once("output", master, 99);
	put(slave, "data");
	SHOW_BOOL(comes(master, POLLIN, PATIENCE));
	take_once("one byte", master, 1);
	take_once("two bytes", master, 2);
	take_once("the rest", master, 99);
	MUST(tcflow(slave, TCOOFF));
	SHOW_BOOL(comes(master, POLLPRI, PATIENCE));
	take_once("stopped", master, 99);
	MUST(tcflow(slave, TCOON));
	take_once("started", master, 99);
	MUST(tcflow(slave, TCOOFF));
	MUST(tcflow(slave, TCOON));
	take_once("stopped and started", master, 99);
	MUST(tcflush(slave, TCIFLUSH));
	take_once("input flushed", master, 99);
	MUST(tcflush(slave, TCIOFLUSH));
	take_once("both flushed", master, 99);
	MUST(tcgetattr(slave, &settings));
	settings.c_iflag &= ~IXON;
	MUST(tcsetattr(slave, TCSANOW, &settings));
	take_once("no flow keys", master, 99);
	settings.c_iflag |= IXON;
	MUST(tcsetattr(slave, TCSANOW, &settings));
	take_once("flow keys", master, 99);
	settings.c_cc[VSTOP] = 'x';
	MUST(tcsetattr(slave, TCSANOW, &settings));
	take_once("other flow keys", master, 99);
	put(slave, "out");
	MUST(tcflow(slave, TCOOFF));
	take_once("news first", master, 99);
	take_once("then output", master, 99);
	on = 0;
	MUST(ioctl(master, TIOCPKT, &on));
	MUST(tcflow(slave, TCOON));
	put(slave, "plain");
	take("plain", master, 5);
	MUST(close(slave));
	MUST(close(master));
}

static void ends(void)
{
	int master, slave;
	char c;
	struct termios settings;
	struct pollfd p;
	open_pair(&master, &slave);
	char path[64];
	strcpy(path, ptsname(master));
	put(slave, "bye");
	MUST(close(slave));
	take("last words", master, 3);
	SHOW(read(master, &c, 1));
	p = (struct pollfd){ master, POLLIN | POLLOUT, 0 };
	MUST(poll(&p, 1, PATIENCE));
	printf("hang-up: %s\n", p.revents & POLLHUP ? "yes" : "no");
	// It may be opened again.
	slave = open(path, O_RDWR | O_NOCTTY);
	MUST(slave);
	put(slave, "back");
	take("back", master, 4);
	MUST(close(master));
	SHOW(read(slave, &c, 1));
	SHOW(write(slave, "x", 1));
	SHOW(tcgetattr(slave, &settings));
	SHOW(isatty(slave));
	p = (struct pollfd){ slave, POLLIN | POLLOUT, 0 };
	MUST(poll(&p, 1, PATIENCE));
	printf("events: %s%s%s\n", p.revents & POLLIN ? "in " : "", p.revents & POLLERR ? "err " : "",
	       p.revents & POLLHUP ? "hup" : "");
	SHOW(open(path, O_RDWR | O_NOCTTY));
	MUST(close(slave));
}

// TIOCVHANGUP ends what is open, and not the terminal.
static void hang_up(void)
{
	int master, slave;
	char c;
	struct termios settings;
	open_pair(&master, &slave);
	set_flags(slave, 0, 0, 0);
	put(master, "lost");
	SHOW_BOOL(comes(slave, POLLIN, PATIENCE));
	if (geteuid() != 0) {
		puts("the superuser only");
		exit(99);
	}
	SHOW(ioctl(slave, TIOCVHANGUP));
	SHOW(read(slave, &c, 1));
	SHOW(write(slave, "x", 1));
	SHOW(tcgetattr(slave, &settings));
	SHOW(tcsetpgrp(slave, getpgrp()));
	int again = open(ptsname(master), O_RDWR | O_NOCTTY);
	MUST(again);
	MUST(tcgetattr(again, &settings));
	SHOW_BOOL((settings.c_lflag & (ICANON | ECHO)) == (ICANON | ECHO));
	put(master, "new\n");
	take("new", again, 4);
	take("echo", master, 5);
	MUST(close(slave));
	SHOW_BOOL(comes(master, POLLHUP, SILENCE));
	MUST(close(again));
	SHOW_BOOL(comes(master, POLLHUP, PATIENCE));
	MUST(close(master));
}

static void exclusive(void)
{
	int master, slave, n = 9;
	open_pair(&master, &slave);
	SHOW(ioctl(slave, TIOCEXCL));
	SHOW(ioctl(slave, TIOCGEXCL, &n));
	printf("exclusive: %d\n", n);
	MUST(chmod(ptsname(master), 0666));
	MUST(seteuid(65534));
	SHOW(open(ptsname(master), O_RDWR | O_NOCTTY));
	MUST(seteuid(0));
	int other = open(ptsname(master), O_RDWR | O_NOCTTY);
	SHOW_BOOL(other >= 0);
	SHOW(ioctl(slave, TIOCNXCL));
	SHOW(ioctl(slave, TIOCSTI, "x"));
	take("pushed", master, 1);
	SHOW(ioctl(slave, TIOCSTI, BAD_POINTER));
	SHOW(ioctl(slave, TIOCGWINSZ, BAD_POINTER));
	SHOW(ioctl(slave, 0x5fff, &n));
	SHOW(ioctl(master, 0x5fff, &n));
	SHOW(tcflush(slave, 17));
	SHOW(tcflow(slave, 17));
	SHOW(tcsendbreak(slave, 0));
	SHOW(tcdrain(slave));
}

int main(void)
{
	locks();
	bytes();
	sizes();
	packets();
	ends();
	hang_up();
	exclusive();
	return 0;
}

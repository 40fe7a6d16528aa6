// Terminal calls on what is no terminal.
#include "check.h"
#include <sys/ioctl.h>
#include <termios.h>

int main(void)
{
	struct termios settings;
	struct winsize size;
	int p[2], n;
	int file = open("file", O_RDWR | O_CREAT, 0644);
	MUST(file);
	MUST(pipe(p));
	SHOW(isatty(file));
	SHOW(isatty(p[0]));
	SHOW(isatty(0));
	SHOW(isatty(99));
	printf("%s\n", error_name(errno));
	SHOW(tcgetattr(file, &settings));
	SHOW(tcgetattr(p[0], &settings));
	SHOW(ioctl(file, TIOCGWINSZ, &size));
	SHOW(ioctl(p[1], TIOCGWINSZ, &size));
	SHOW(ioctl(0, TIOCGWINSZ, &size));
	SHOW(tcgetpgrp(file));
	SHOW(tcsetpgrp(p[0], getpgrp()));
	SHOW(ioctl(file, 0xdead, &n));
	SHOW(ioctl(99, TIOCGWINSZ, &size));
	SHOW_BOOL(ttyname(file) == 0 && errno == ENOTTY);
	MUST(write(file, "12345", 5));
	MUST(lseek(file, 2, SEEK_SET));
	SHOW(ioctl(file, FIONREAD, &n));
	printf("left: %d\n", n);
	return 0;
}

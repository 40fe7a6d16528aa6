// What the programs about terminals share: pairs of a master and a slave, and their bytes in words.
#ifndef TERMINAL_H
#define TERMINAL_H

#include "check.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

// How long something that has to come may take, and how long nothing has to come, in milliseconds.
#define PATIENCE 5000
#define SILENCE 30

// Opens a pair; the slave does not become a controlling terminal.
MAYBE_UNUSED static void open_pair(int *master, int *slave)
{
	*master = posix_openpt(O_RDWR | O_NOCTTY);
	MUST(*master);
	MUST(grantpt(*master));
	MUST(unlockpt(*master));
	*slave = open(ptsname(*master), O_RDWR | O_NOCTTY);
	MUST(*slave);
}

// Prints bytes with the others than letters in hexadecimal.
MAYBE_UNUSED static void show_bytes(const char *what, const char *bytes, ssize_t count)
{
	printf("%s: %zd [", what, count);
	for (ssize_t i = 0; i < count; i++) {
		unsigned char byte = bytes[i];
		if (byte > 32 && byte < 127 && byte != '\\' && byte != ']') putchar(byte);
		else printf("\\x%02x", byte);
	}
	printf("]\n");
}

// Whether events of `mask` come within some milliseconds.
MAYBE_UNUSED static int comes(int fd, short mask, int ms)
{
	struct pollfd p = { fd, mask, 0 };
	int result;
	while ((result = poll(&p, 1, ms)) == -1 && errno == EINTR) {
	}
	return result == 1 && (p.revents & mask);
}

// Reads until `count` bytes are there, however many reads that takes; prints them.
MAYBE_UNUSED static void take(const char *what, int fd, ssize_t count)
{
	char bytes[8192];
	ssize_t have = 0;
	while (have < count && comes(fd, POLLIN, PATIENCE)) {
		ssize_t n = read(fd, bytes + have, count - have);
		if (n == -1) {
			printf("%s: %s after %zd\n", what, error_name(errno), have);
			return;
		}
		if (n == 0) break;
		have += n;
	}
	show_bytes(what, bytes, have);
}

// One read of up to `count` bytes of what has to come; prints it.
MAYBE_UNUSED static void take_once(const char *what, int fd, size_t count)
{
	char bytes[8192];
	if (!comes(fd, POLLIN, PATIENCE)) {
		printf("%s: nothing came\n", what);
		return;
	}
	ssize_t n = read(fd, bytes, count);
	if (n == -1) printf("%s: %s\n", what, error_name(errno));
	else show_bytes(what, bytes, n);
}

// Checks that nothing comes.
MAYBE_UNUSED static void silence(const char *what, int fd)
{
	printf("%s: %s\n", what, comes(fd, POLLIN, SILENCE) ? "something" : "silence");
}

// Writes a text.
MAYBE_UNUSED static void put(int fd, const char *text)
{
	MUST(write(fd, text, strlen(text)));
}

// Changes flags of a terminal at once.
MAYBE_UNUSED static void set_flags(int fd, tcflag_t iflag, tcflag_t oflag, tcflag_t lflag)
{
	struct termios settings;
	MUST(tcgetattr(fd, &settings));
	settings.c_iflag = iflag;
	settings.c_oflag = oflag;
	settings.c_lflag = lflag;
	MUST(tcsetattr(fd, TCSANOW, &settings));
}

#endif

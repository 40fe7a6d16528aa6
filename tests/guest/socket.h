// What the test programs of sockets share.
#ifndef SOCKET_H
#define SOCKET_H

#include "check.h"

#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

// The address of a path, or of an abstract name, written with '@' in front.
MAYBE_UNUSED static socklen_t address_of(struct sockaddr_un *address, const char *name)
{
	size_t len = strlen(name);
	memset(address, 0, sizeof *address);
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, name, len);
	if (*name == '@') address->sun_path[0] = 0;
	else len++;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

MAYBE_UNUSED static int bind_to(int fd, const char *name)
{
	struct sockaddr_un address;
	socklen_t len = address_of(&address, name);
	return bind(fd, (struct sockaddr *)&address, len);
}

MAYBE_UNUSED static int connect_to(int fd, const char *name)
{
	struct sockaddr_un address;
	socklen_t len = address_of(&address, name);
	return connect(fd, (struct sockaddr *)&address, len);
}

MAYBE_UNUSED static ssize_t send_to(int fd, const char *text, const char *name)
{
	struct sockaddr_un address;
	socklen_t len = address_of(&address, name);
	return sendto(fd, text, strlen(text), 0, (struct sockaddr *)&address, len);
}

// Prints an address and its length.
MAYBE_UNUSED static void show_address(const char *what, const struct sockaddr_un *address, socklen_t len)
{
	size_t start = offsetof(struct sockaddr_un, sun_path);
	printf("%s: len %u", what, (unsigned)len);
	if (len >= sizeof(sa_family_t)) printf(", family %d", address->sun_family);
	if (len > start && !address->sun_path[0]) {
		printf(", abstract ");
		fwrite(address->sun_path + 1, 1, len - start - 1, stdout);
	} else if (len > start) {
		printf(", path %s", address->sun_path);
	}
	printf("\n");
}

MAYBE_UNUSED static void show_names(const char *what, int fd)
{
	struct sockaddr_un address;
	socklen_t len = sizeof address;
	char text[64];
	memset(&address, 0, sizeof address);
	snprintf(text, sizeof text, "%s, own name", what);
	if (getsockname(fd, (struct sockaddr *)&address, &len)) printf("%s: %s\n", text, error_name(errno));
	else show_address(text, &address, len);
	memset(&address, 0, sizeof address);
	len = sizeof address;
	snprintf(text, sizeof text, "%s, peer's name", what);
	if (getpeername(fd, (struct sockaddr *)&address, &len)) printf("%s: %s\n", text, error_name(errno));
	else show_address(text, &address, len);
}

// Receives without waiting and prints what came.
MAYBE_UNUSED static void show_receive(const char *what, int fd, size_t size, int flags)
{
	char buffer[256];
	memset(buffer, 0, sizeof buffer);
	ssize_t n = recv(fd, buffer, size, flags | MSG_DONTWAIT);
	if (n == -1) printf("%s: %s\n", what, error_name(errno));
	else printf("%s: %d [%.*s]\n", what, (int)n, (int)(n < (ssize_t)size ? n : (ssize_t)size), buffer);
}

// Prints what poll says at once.
MAYBE_UNUSED static void show_poll(const char *what, int fd)
{
	struct pollfd entry = { fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0 };
	int n = poll(&entry, 1, 0);
	printf("%s: poll %d:%s%s%s%s%s%s\n", what, n, entry.revents & POLLIN ? " IN" : "",
		entry.revents & POLLOUT ? " OUT" : "", entry.revents & POLLPRI ? " PRI" : "",
		entry.revents & POLLERR ? " ERR" : "", entry.revents & POLLHUP ? " HUP" : "",
		entry.revents & POLLRDHUP ? " RDHUP" : "");
}

MAYBE_UNUSED static void make_pair(int type, int fds[2])
{
	MUST(socketpair(AF_UNIX, type, 0, fds));
}

MAYBE_UNUSED static void close_pair(const int fds[2])
{
	if (fds[0] >= 0) close(fds[0]);
	if (fds[1] >= 0) close(fds[1]);
}

#endif

// Devices and random numbers.
#include "check.h"
#include <sys/random.h>

int main(void)
{
	char buffer[300];
	int fd = open("/dev/null", O_RDWR);
	MUST(fd);
	SHOW(write(fd, "x", 1));
	SHOW(read(fd, buffer, 1));
	SHOW(lseek(fd, 5, SEEK_SET) >= 0);
	close(fd);
	fd = open("/dev/zero", O_RDWR);
	MUST(fd);
	memset(buffer, 'x', sizeof buffer);
	SHOW(read(fd, buffer, sizeof buffer));
	SHOW_BOOL(buffer[0] == 0 && buffer[299] == 0);
	SHOW(write(fd, "x", 1));
	close(fd);
	fd = open("/dev/full", O_RDWR);
	MUST(fd);
	SHOW(write(fd, "x", 1));
	SHOW(read(fd, buffer, 10));
	close(fd);
	fd = open("/dev/urandom", O_RDONLY);
	MUST(fd);
	SHOW(read(fd, buffer, 64));
	close(fd);
	char a[32] = "", b[32] = "";
	SHOW(getrandom(a, sizeof a, 0));
	SHOW(getrandom(b, sizeof b, GRND_NONBLOCK));
	SHOW_BOOL(memcmp(a, b, sizeof a) != 0);
	SHOW(getrandom(buffer, sizeof buffer, 0));
	SHOW(getrandom(buffer, 10, 0x80));
	SHOW(getrandom(buffer, 0, 0));
	SHOW(getentropy(buffer, 256));
	SHOW(getentropy(buffer, 257));
	SHOW(open("/dev/missing", O_RDWR));
	return 0;
}

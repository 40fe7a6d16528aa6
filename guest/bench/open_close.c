// Opening and closing a file by a path of three names.
#include "bench.h"

static void open_and_close(void)
{
	int fd = open("/usr/bin/..", O_RDONLY);
	if (fd == -1) fail("open");
	close(fd);
}

int main(void)
{
	measure(open_and_close, 0.5);
	return 0;
}

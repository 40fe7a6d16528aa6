// 4 KiB of a file that is in memory.
#include "bench.h"

static int fd;

static void read_page(void)
{
	static char page[4096];
	static unsigned i;
	if (pread(fd, page, sizeof page, (i++ % 16) * 4096) != sizeof page) fail("pread");
}

int main(void)
{
	static char page[4096];
	char name[] = "/tmp/bench-XXXXXX";
	fd = mkstemp(name);
	if (fd == -1) fail("mkstemp");
	unlink(name);
	for (int i = 0; i < 16; i++)
		if (write(fd, page, sizeof page) != sizeof page) fail("write");
	measure(read_page, 0.5);
	return 0;
}

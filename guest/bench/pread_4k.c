// 4 KiB of a file of the root file system, which is in the cache.
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
	char name[] = "/var/tmp/bench-XXXXXX";
	fd = mkstemp(name);
	if (fd == -1) fail("mkstemp");
	unlink(name);
	for (int i = 0; i < 16; i++)
		if (write(fd, page, sizeof page) != sizeof page) fail("write");
	measure(read_page, 0.5);
	return 0;
}

// 4 KiB from anywhere in a file of 16 MiB that is in the cache.
#include "file_io.h"

static int fd;

static void read_somewhere(void)
{
	static char page[4096];
	static unsigned state = 1;
	// Numerical Recipes' generator; its high bits are the good ones.
	state = state * 1664525 + 1013904223;
	off_t at = (off_t)(state >> 8) % (FILE_BYTES / sizeof page) * sizeof page;
	if (pread(fd, page, sizeof page, at) != sizeof page) fail("pread");
	if (page[0] != (char)(at / PIECE)) fail("another page");
}

int main(void)
{
	fd = make_file();
	measure(read_somewhere, 0.5);
	return 0;
}

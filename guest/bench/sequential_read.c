// A file of 16 MiB that is in the cache, from its start to its end in pieces of 64 KiB.
#include "file_io.h"

static int fd;

static void read_all(void)
{
	static char piece[PIECE];
	for (int done = 0; done < FILE_BYTES; done += PIECE) {
		if (pread(fd, piece, PIECE, done) != PIECE) fail("pread");
		if (piece[PIECE - 1] != (char)(done / PIECE)) fail("another piece");
	}
}

int main(void)
{
	fd = make_file();
	measure(read_all, 0.5);
	return 0;
}

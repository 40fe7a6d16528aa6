// A file of some size in the working folder, for the benchmarks that read.
#ifndef FILE_IO_H
#define FILE_IO_H

#include "bench.h"

#define FILE_BYTES (16 << 20)
#define PIECE (1 << 16)

// Makes a file of FILE_BYTES that no name leads to; what was written is in the cache.
static int make_file(void)
{
	static char piece[PIECE];
	char name[] = "/var/tmp/bench-XXXXXX";
	int fd = mkstemp(name);
	if (fd == -1) fail("mkstemp");
	unlink(name);
	for (int done = 0; done < FILE_BYTES; done += PIECE) {
		memset(piece, done / PIECE, PIECE);
		if (write(fd, piece, PIECE) != PIECE) fail("write");
	}
	return fd;
}

#endif

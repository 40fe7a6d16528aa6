// 64 KiB through a pipe to a process that reads them; the argument "near" or "far" says where.
#include "bench.h"

enum { SIZE = 65536 };

static int p[2];

static void write_all(void)
{
	static char data[SIZE];
	if (write(p[1], data, SIZE) != SIZE) fail("write");
}

static int sink(void)
{
	static char data[SIZE];
	while (read(0, data, SIZE) > 0) {
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *where = argc > 1 ? argv[1] : 0;
	if (where && !strcmp(where, "sink")) return sink();
	if (pipe(p)) fail("pipe");
	pid_t pid = start_role(argv[0], "sink", where, p[0], 2, p, 2);
	close(p[0]);
	measure(write_all, 1);
	close(p[1]);
	waitpid(pid, 0, 0);
	return 0;
}

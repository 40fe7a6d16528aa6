// fork of a process with 2 MiB of data, all of it in use, and waiting for the child's end.
#include "bench.h"

enum { BYTES = 2 << 20 };

static void fork_and_wait(void)
{
	int status;
	pid_t child = fork();
	if (child < 0) fail("fork");
	if (child == 0) _exit(0);
	if (waitpid(child, &status, 0) != child || status) fail("waitpid");
}

int main(void)
{
	char *data = malloc(BYTES);
	if (!data) fail("malloc");
	memset(data, 1, BYTES);
	measure(fork_and_wait, 2);
	// It was in use until here.
	return data[BYTES / 2] != 1;
}

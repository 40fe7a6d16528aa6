// Starting the smallest program and waiting for its end. `true` lies beside this program, unless
// a path is given.
#include "bench.h"

static char path[4096];

static void spawn_and_wait(void)
{
	char *argv[] = { path, 0 };
	int status;
	pid_t pid;
	if (posix_spawn(&pid, path, 0, 0, argv, environ)) fail(path);
	if (waitpid(pid, &status, 0) != pid || status) fail("waitpid");
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	if (argc > 1) snprintf(path, sizeof path, "%s", argv[1]);
	else snprintf(path, sizeof path, "%.*strue", slash ? (int)(slash - argv[0] + 1) : 0, argv[0]);
	measure(spawn_and_wait, 2);
	return 0;
}

// Starting the smallest program and waiting for its end. `true` lies beside this program, unless
// a path is given.
#include "bench.h"

static char path[4096];

static void spawn_and_wait(void)
{
	run_and_wait(path);
}

int main(int argc, char **argv)
{
	if (argc > 1) snprintf(path, sizeof path, "%s", argv[1]);
	else beside(path, sizeof path, argv[0], "true");
	measure(spawn_and_wait, 2);
	return 0;
}

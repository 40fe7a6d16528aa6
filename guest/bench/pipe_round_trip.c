// One byte to another process and back.
#include "bench.h"

static int to[2], from[2];

static void round_trip(void)
{
	char c = 'x';
	if (write(to[1], &c, 1) != 1 || read(from[0], &c, 1) != 1) fail("pipe");
}

static int echo(void)
{
	char c;
	while (read(0, &c, 1) == 1)
		if (write(1, &c, 1) != 1) return 1;
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1) return echo();
	if (pipe(to) || pipe(from)) fail("pipe");
	int ends[] = { to[0], to[1], from[0], from[1] };
	pid_t pid = start_role(argv[0], "echo", to[0], from[1], ends, 4);
	close(to[0]);
	close(from[1]);
	measure(round_trip, 1);
	close(to[1]);
	waitpid(pid, 0, 0);
	return 0;
}

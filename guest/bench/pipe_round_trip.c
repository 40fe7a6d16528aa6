// One byte to another process and back; the argument "near" or "far" says where that runs. A second
// argument is a number of other processes, which sleep meanwhile.
#include "sleepers.h"

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
	const char *where = argc > 1 ? argv[1] : 0;
	if (where && !strcmp(where, "echo")) return echo();
	if (where && !strcmp(where, "sleep")) return sleeper();
	struct sleepers idle = start_sleepers(argv[0], argc > 2 ? atoi(argv[2]) : 0);
	if (pipe(to) || pipe(from)) fail("pipe");
	int ends[] = { to[0], to[1], from[0], from[1] };
	pid_t pid = start_role(argv[0], "echo", where, to[0], from[1], ends, 4);
	close(to[0]);
	close(from[1]);
	if (idle.count) report("reached", idle.count);
	measure(round_trip, 1);
	close(to[1]);
	waitpid(pid, 0, 0);
	end_sleepers(&idle);
	return 0;
}

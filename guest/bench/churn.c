// As many processes one after the other as the argument says. Between two pauses lies what they
// left behind in memory.
#include "bench.h"

static char path[4096];

static double mean_of(int count)
{
	double start = now_ns();
	for (int i = 0; i < count; i++) run_and_wait(path);
	return (now_ns() - start) / count;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 10000, part = count / 10;
	beside(path, sizeof path, argv[0], "true");
	// Until all caches are warm.
	mean_of(part);
	stand_still("before");
	double first = mean_of(part), middle = mean_of(count - 2 * part), last = mean_of(part);
	report("each", (first * part + middle * (count - 2 * part) + last * part) / count);
	report("first", first);
	report("last", last);
	stand_still("after");
	return 0;
}

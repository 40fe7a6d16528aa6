// As many sleeping processes as the argument says: how long each takes to start, and to end by a
// signal. Between two pauses lies what they cost in memory.
#include "sleepers.h"

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "sleep")) return sleeper();
	int wanted = argc > 1 ? atoi(argv[1]) : 2000;
	// What is made once for the first is not the price of one more.
	struct sleepers warm = start_sleepers(argv[0], 2);
	end_sleepers(&warm);
	stand_still("before");
	struct sleepers all = start_sleepers(argv[0], wanted);
	report("reached", all.count);
	if (!all.count) return 1;
	report("start_all", all.all_ns);
	report("start_each", all.all_ns / all.count);
	report("start_first", all.first_ns);
	report("start_last", all.last_ns);
	stand_still("after");
	int count = all.count;
	report("end_each", end_sleepers(&all) / count);
	return 0;
}

// The cheapest system call.
#include "bench.h"

static void round_trip(void)
{
	getpid();
}

int main(void)
{
	measure(round_trip, 0.5);
	return 0;
}

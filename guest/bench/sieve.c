// Counts primes: loops of a few instructions each, the worst case for what a loop pays per turn.
#include "bench.h"

enum { LIMIT = 1 << 20 };
static unsigned char is_composite[LIMIT];
static volatile unsigned primes;

static void sieve(void)
{
	memset(is_composite, 0, sizeof is_composite);
	unsigned found = 0;
	for (unsigned i = 2; i < LIMIT; i++) {
		if (is_composite[i]) continue;
		found++;
		for (unsigned j = 2 * i; j < LIMIT; j += i) is_composite[j] = 1;
	}
	primes = found;
}

// With an argument: that many rounds, for measurements from outside.
int main(int argc, char **argv)
{
	if (argc > 1) {
		for (long rounds = atol(argv[1]); rounds > 0; rounds--) sieve();
	} else {
		measure(sieve, 2);
	}
	if (primes != 82025) {
		fprintf(stderr, "%u primes\n", primes);
		return 1;
	}
	return 0;
}

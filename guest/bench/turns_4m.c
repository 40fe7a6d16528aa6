// Two processes of 4 MiB each take turns: one turn wakes a process, which finds every page as it
// left it, changes it and answers. In a pod with too few frames each turn swaps one out and one in.
#include "bench.h"

enum { PAGE = 4096, NR_PAGES = 1024, NR_TURNS = 200, NR_TRIES = 5 };

static unsigned next(unsigned x)
{
	x ^= x << 13;
	x ^= x >> 17;
	return x ^ x << 5;
}

static int hold(void)
{
	static unsigned words[NR_PAGES][PAGE / sizeof(unsigned)];
	unsigned x = getpid(), turn = 0;
	for (int page = 0; page < NR_PAGES; page++)
		for (unsigned i = 0; i < PAGE / sizeof(unsigned); i++) words[page][i] = x = next(x);
	for (int page = 0; page < NR_PAGES; page++) words[page][1] = page;
	char c;
	while (read(0, &c, 1) == 1) {
		for (int page = 0; page < NR_PAGES; page++)
			if (words[page][1]++ != page + turn) {
				fprintf(stderr, "page %d is not as it was left\n", page);
				return 1;
			}
		turn++;
		if (write(1, &c, 1) != 1) return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int to[2][2], from[2][2], status;
	pid_t pids[2];
	char c = 'x';
	if (argc > 1 && !strcmp(argv[1], "hold")) return hold();
	for (int i = 0; i < 2; i++) {
		if (pipe2(to[i], O_CLOEXEC) || pipe2(from[i], O_CLOEXEC)) fail("pipe");
		pids[i] = start_role(argv[0], "hold", "near", to[i][0], from[i][1], 0, 0);
		close(to[i][0]);
		close(from[i][1]);
	}
	double means[NR_TRIES];
	for (int attempt = 0; attempt < NR_TRIES; attempt++) {
		double start = now_ns();
		for (int turn = 0; turn < NR_TURNS; turn++)
			if (write(to[turn % 2][1], &c, 1) != 1 || read(from[turn % 2][0], &c, 1) != 1) fail("turn");
		means[attempt] = (now_ns() - start) / NR_TURNS;
	}
	for (int i = 0; i < 2; i++) {
		close(to[i][1]);
		if (waitpid(pids[i], &status, 0) != pids[i] || status) fail("a holder's end");
	}
	printf("%.1f\n", median(means, NR_TRIES));
	return 0;
}

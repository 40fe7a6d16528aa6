// setjmp and longjmp: values, depth, loops, several buffers, volatile locals.
#include "check.h"
#include <setjmp.h>

static jmp_buf outer, inner;
static volatile int steps;

static void deep(int n)
{
	volatile char padding[64];
	padding[0] = n;
	steps++;
	if (n > 0) deep(n - 1);
	else if (steps) longjmp(outer, 42);
	padding[1] = padding[0];
}

static void throw_to(jmp_buf *place, int value)
{
	longjmp(*place, value);
}

static int comparator(const void *a, const void *b)
{
	(void)a;
	(void)b;
	longjmp(outer, 7);
}

int main(void)
{
	int value = setjmp(outer);
	printf("setjmp: %d\n", value);
	if (value < 3) longjmp(outer, value + 1);

	if (setjmp(outer) == 0) longjmp(outer, 0);
	else printf("zero becomes one\n");

	switch (setjmp(outer)) {
	case 0:
		deep(1000);
		break;
	case 42:
		printf("from depth: %d\n", steps);
		break;
	default:
		printf("wrong value\n");
	}

	volatile int rounds = 0;
	if (setjmp(outer) < 100000) {
		rounds++;
		if (rounds < 100000) longjmp(outer, rounds);
	}
	printf("rounds: %d\n", rounds);

	if ((value = setjmp(outer)) == 0) {
		if ((value = setjmp(inner)) == 0) throw_to(&inner, 5);
		printf("inner: %d\n", value);
		throw_to(&outer, 6);
	}
	printf("outer: %d\n", value);

	// Out of a function that libc calls back.
	int numbers[] = { 3, 1, 2 };
	if ((value = setjmp(outer)) == 0) qsort(numbers, 3, sizeof *numbers, comparator);
	printf("out of qsort: %d\n", value);

	for (volatile int i = 0; i < 3; i++) {
		volatile int kept = i * 10;
		if ((value = _setjmp(outer)) == 0) _longjmp(outer, i + 1);
		printf("loop %d: %d, kept %d\n", i, value, kept);
	}
	return 0;
}

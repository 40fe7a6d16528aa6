// Memory of all kinds keeps its contents while processes sleep: data, heap, mappings, stack.
//
// pattern child SEED ROUNDS: fills memory from a seed, and in each round sleeps, looks at all of it
// and changes a part. Prints one line that depends on the seed only.
#include "check.h"
#include <sys/mman.h>

#define DATA_WORDS 4096
#define STACK_WORDS 3000
#define INITIAL(n) (n) * 0x9e3779b9u

// Initial contents that a program mostly keeps, and others that it never changes.
static uint32_t initial[8] = { INITIAL(1), INITIAL(2), INITIAL(3), INITIAL(4), INITIAL(5), INITIAL(6), INITIAL(7), INITIAL(8) };
static uint32_t to_be_cleared[2048] = { [5] = 5, [1900] = 6 };
static uint32_t data[DATA_WORDS];

struct area {
	const char *name;
	uint32_t *words;
	uint32_t count, seed;
};

static uint32_t next(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

// A third of the pages stays zero, a third is all the same, a third is random.
static uint32_t word_at(uint32_t seed, uint32_t index)
{
	uint32_t page = index / 1024, state = (seed ^ page * 0x85ebca6bu) | 1;
	uint32_t kind = next(&state) % 3;
	if (kind == 0) return 0;
	if (kind == 1) return state;
	state ^= index * 0xc2b2ae35u;
	state |= 1;
	next(&state);
	return next(&state);
}

static void fill(struct area *area)
{
	for (uint32_t i = 0; i < area->count; i++) area->words[i] = word_at(area->seed, i);
}

static void verify(const struct area *area)
{
	for (uint32_t i = 0; i < area->count; i++) {
		uint32_t expected = word_at(area->seed, i);
		if (area->words[i] != expected) {
			printf("%s word %u: %08x instead of %08x\n", area->name, i, area->words[i], expected);
			exit(1);
		}
	}
}

// Leaves traces of a call below the stack pointer.
static __attribute__((__noinline__)) uint32_t use_stack(uint32_t seed)
{
	volatile uint32_t words[5000];
	for (int i = 0; i < 5000; i++) words[i] = next(&seed);
	return words[seed % 5000];
}

static int child(uint32_t seed, int rounds)
{
	uint32_t stack[STACK_WORDS], state = seed * 2 + 1;
	uint32_t heap_words = 1000 + next(&state) % 40000, map_words = 1024 * (1 + next(&state) % 60);
	struct area areas[] = {
		{ "data", data, DATA_WORDS, next(&state) },
		{ "heap", malloc(heap_words * 4), heap_words, next(&state) },
		{ "mapping", mmap(0, map_words * 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), map_words, next(&state) },
		{ "stack", stack, STACK_WORDS, next(&state) },
	};
	uint32_t sum = 0;
	if (!areas[1].words || areas[2].words == MAP_FAILED) return 99;
	memset(to_be_cleared, 0, sizeof to_be_cleared);
	for (int i = 0; i < 4; i++) fill(&areas[i]);
	for (int round = 0; round < rounds; round++) {
		sum += use_stack(state);
		sleep_ms(next(&state) % 20);
		for (int i = 0; i < 4; i++) verify(&areas[i]);
		for (int i = 0; i < 8; i++)
			if (initial[i] != INITIAL(i + 1u)) return 98;
		for (int i = 0; i < 2048; i++)
			if (to_be_cleared[i]) return 97;
		struct area *changed = &areas[next(&state) % 4];
		changed->seed = next(&state);
		fill(changed);
		sum = sum * 31 + changed->words[next(&state) % changed->count];
	}
	printf("seed %u: %08x\n", seed, sum);
	return 0;
}

int main(int argc, char **argv)
{
	enum { COUNT = 12 };
	pid_t pids[COUNT];
	char name[20];
	if (argc == 4 && !strcmp(argv[1], "child")) return child(strtoul(argv[2], 0, 10), atoi(argv[3]));
	if (argc == 4 && freopen(argv[2], "w", stdout)) return child(strtoul(argv[2], 0, 10), atoi(argv[3]));
	for (int i = 0; i < COUNT; i++) {
		sprintf(name, "%d", i + 1);
		pids[i] = start_role(argv[0], "file", name, "5");
	}
	for (int i = 0; i < COUNT; i++) show_end("child", pids[i]);
	for (int i = 0; i < COUNT; i++) {
		sprintf(name, "%d", i + 1);
		show_file(name);
	}
	return 0;
}

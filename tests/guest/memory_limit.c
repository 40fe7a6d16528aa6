// What RLIMIT_AS and RLIMIT_DATA refuse, what is free again afterwards, and peaks of memory.
#include "check.h"
#include <sys/mman.h>
#include <sys/resource.h>

#define MIB (1024 * 1024)

// Through pointers that a compiler does not see through: it may leave out what only allocates.
static void *(*volatile allocate)(size_t) = malloc;
static void *(*volatile allocate_zeroed)(size_t, size_t) = calloc;

static void limit(int resource, rlim_t bytes)
{
	struct rlimit limit;
	MUST(getrlimit(resource, &limit));
	limit.rlim_cur = bytes;
	MUST(setrlimit(resource, &limit));
}

static void *map(size_t bytes)
{
	void *at = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return at == MAP_FAILED ? 0 : at;
}

static void show_map(const char *what, size_t bytes)
{
	errno = 0;
	void *at = map(bytes);
	printf("%s: %s\n", what, at ? "mapped" : error_name(errno));
	if (at) MUST(munmap(at, bytes));
}

static void address_space(void)
{
	limit(RLIMIT_AS, 64 * MIB);
	show_map("16 MiB of 64", 16 * MIB);
	show_map("128 MiB of 64", 128 * MIB);
	errno = 0;
	SHOW_BOOL(allocate(128 * MIB) == 0);
	printf("malloc: %s\n", error_name(errno));
	SHOW_BOOL(allocate_zeroed(128, MIB) == 0);

	// Until nothing is left; then one goes and one comes.
	void *pieces[16] = { 0 };
	int count = 0;
	while (count < 16 && (pieces[count] = map(8 * MIB))) count++;
	printf("refused: %s\n", error_name(errno));
	SHOW_BOOL(count >= 5 && count <= 7);
	show_map("one more", 8 * MIB);
	MUST(munmap(pieces[0], 8 * MIB));
	show_map("in the place of another", 8 * MIB);

	errno = 0;
	void *larger = mremap(pieces[1], 8 * MIB, 64 * MIB, MREMAP_MAYMOVE);
	printf("mremap: %s\n", larger == MAP_FAILED ? error_name(errno) : "moved");
	// The old pages are replaced, so that nothing is added.
	void *again = mmap(pieces[1], 8 * MIB, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	SHOW_BOOL(again == pieces[1]);
	for (int i = 1; i < count; i++) MUST(munmap(pieces[i], 8 * MIB));
	void *small = allocate(1000);
	SHOW_BOOL(small != 0);
	free(small);
	limit(RLIMIT_AS, RLIM_INFINITY);
	show_map("16 MiB without a limit", 16 * MIB);
}

static void data(void)
{
	limit(RLIMIT_DATA, 32 * MIB);
	show_map("16 MiB of data", 16 * MIB);
	show_map("64 MiB of data", 64 * MIB);
	limit(RLIMIT_DATA, RLIM_INFINITY);
}

static void peaks(const char *self)
{
	struct rusage before, after, children;
	MUST(getrusage(RUSAGE_SELF, &before));
	char *at = map(24 * MIB);
	memset(at, 1, 24 * MIB);
	MUST(munmap(at, 24 * MIB));
	MUST(getrusage(RUSAGE_SELF, &after));
	SHOW_BOOL(before.ru_maxrss > 0);
	SHOW_BOOL(after.ru_maxrss >= 24 * 1024);

	show_end("child", start_role(self, "large", 0, 0));
	MUST(getrusage(RUSAGE_CHILDREN, &children));
	SHOW_BOOL(children.ru_maxrss >= 40 * 1024);
	int status;
	struct rusage of_child;
	pid_t child = start_role(self, "large", 0, 0);
	SHOW_BOOL(wait4(child, &status, 0, &of_child) == child);
	SHOW_BOOL(of_child.ru_maxrss >= 40 * 1024 && of_child.ru_maxrss < 200 * 1024);
}

// Takes a piece after the other until none is left, and says so; then stays until its input ends.
static int hog(void)
{
	long pieces = 0;
	char *at;
	while ((at = allocate(MIB))) {
		memset(at, 1, MIB);
		pieces++;
	}
	printf("%s after %ld MiB\n", error_name(errno), pieces);
	fflush(stdout);
	char byte;
	while (read(0, &byte, 1) > 0) {
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "large")) {
		char *at = map(40 * MIB);
		if (!at) return 2;
		memset(at, 1, 40 * MIB);
		return at[MIB] != 1;
	}
	if (argc > 1 && !strcmp(argv[1], "hog")) return hog();
	address_space();
	data();
	peaks(argv[0]);
	return 0;
}

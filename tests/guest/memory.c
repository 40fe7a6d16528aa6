// brk and mmap: zeros, growth, files, bad arguments.
#include "check.h"
#include <sys/mman.h>
#include <sys/syscall.h>

static int is_zero(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i]) return 0;
	return 1;
}

static void anonymous(void)
{
	size_t size = 1 << 20;
	unsigned char *p = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	SHOW_BOOL(p != MAP_FAILED);
	SHOW_BOOL((uintptr_t)p % 4096 == 0);
	SHOW_BOOL(is_zero(p, size));
	memset(p, 0xaa, size);
	SHOW(munmap(p, size));
	// Memory that comes again is zero again.
	for (int i = 0; i < 20; i++) {
		p = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED || !is_zero(p, size)) printf("round %d\n", i);
		memset(p, i, size);
		munmap(p, size);
	}
	printf("20 rounds\n");
	p = mmap(0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p[0] = 1;
	p[2 * 4096] = 3;
	SHOW(munmap(p + 4096, 4096));
	SHOW_BOOL(p[0] == 1 && p[2 * 4096] == 3);
	p = mremap(p, 4096, 64 * 4096, MREMAP_MAYMOVE);
	SHOW_BOOL(p != MAP_FAILED && p[0] == 1 && is_zero(p + 4096, 63 * 4096));
	SHOW(madvise(p, 4096, MADV_DONTNEED));
	SHOW_BOOL(p[0] == 0);
	memset(p, 7, 2 * 4096);
	SHOW(madvise(p, 10, MADV_DONTNEED));
	SHOW_BOOL(is_zero(p, 4096) && p[4096] == 7);
	SHOW(madvise(p + 1, 4095, MADV_DONTNEED));
	SHOW(madvise(p, 4096, 5));
	SHOW(madvise(p, 0, 99));
	SHOW(mprotect(p, 4096, PROT_READ));
	SHOW(munmap(p, 64 * 4096));
}

static void files(void)
{
	char text[10001];
	for (int i = 0; i < 10000; i++) text[i] = 'a' + i % 26;
	text[10000] = 0;
	make_file("file", text);
	int fd = open("file", O_RDWR);
	MUST(fd);
	char *p = mmap(0, 10000, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	SHOW_BOOL(p != MAP_FAILED && memcmp(p, text, 10000) == 0);
	SHOW_BOOL(p[10000] == 0 && p[12287] == 0);
	p[0] = 'X';
	show_file("file/..");
	char c;
	MUST(pread(fd, &c, 1, 0));
	SHOW_BOOL(c == 'a');
	MUST(munmap(p, 10000));
	p = mmap(0, 100, PROT_READ, MAP_PRIVATE, fd, 4096);
	SHOW_BOOL(p != MAP_FAILED && memcmp(p, text + 4096, 100) == 0);
	MUST(close(fd));
	SHOW_BOOL(p[0] == text[4096]);
	MUST(munmap(p, 100));
}

#define SHOW_MAP(...) printf("mmap(" #__VA_ARGS__ "): %s\n", mmap(__VA_ARGS__) == MAP_FAILED ? error_name(errno) : "ok")

static void errors(void)
{
	int fd = open("file", O_WRONLY);
	MUST(fd);
	SHOW_MAP(0, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	SHOW_MAP(0, 4096, PROT_READ, MAP_ANONYMOUS, -1, 0);
	SHOW_MAP(0, 4096, PROT_READ, MAP_PRIVATE, -1, 0);
	SHOW_MAP(0, 4096, PROT_READ, MAP_PRIVATE, 99, 0);
	SHOW_MAP(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	SHOW_MAP(0, 4096, PROT_READ, MAP_PRIVATE, fd, 100);
	SHOW(munmap((void *)1, 4096));
	SHOW(munmap(0, 0));
	MUST(close(fd));
	MUST(fd = open(".", O_RDONLY));
	SHOW_MAP(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	MUST(close(fd));
	int p[2];
	MUST(pipe(p));
	SHOW_MAP(0, 4096, PROT_READ, MAP_PRIVATE, p[0], 0);
}

// The end of the data segment: libc's own sbrk may refuse, so by number.
static void breaks(void)
{
	uintptr_t start = syscall(SYS_brk, 0);
	SHOW_BOOL(start != 0);
	uintptr_t end = syscall(SYS_brk, start + 100000);
	SHOW_BOOL(end == start + 100000);
	if (end > start) {
		SHOW_BOOL(is_zero((void *)start, end - start));
		memset((void *)start, 1, end - start);
		SHOW_BOOL((uintptr_t)syscall(SYS_brk, start) == start);
		SHOW_BOOL((uintptr_t)syscall(SYS_brk, start + 100000) == start + 100000);
		unsigned char *page = (void *)((start + 4095) & ~(uintptr_t)4095);
		SHOW_BOOL(is_zero(page, 90000));
		SHOW_BOOL((uintptr_t)syscall(SYS_brk, 1) == start + 100000);
		SHOW_BOOL((uintptr_t)syscall(SYS_brk, start) == start);
	}
}

static void heap(void)
{
	void *blocks[500];
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 500; i++) {
			blocks[i] = malloc(1 + (i * 7919 + round * 31) % 20000);
			memset(blocks[i], i, 1);
		}
		for (int i = 0; i < 500; i++) {
			if (*(unsigned char *)blocks[i] != (unsigned char)i) printf("block %d\n", i);
			free(blocks[i]);
		}
	}
	void *large = malloc(32 << 20);
	SHOW_BOOL(large != 0);
	free(large);
	// Volatile, lest the compiler decide that it cannot fail.
	void *volatile impossible = malloc((size_t)-1 / 2);
	SHOW_BOOL(impossible == 0);
}

int main(void)
{
	anonymous();
	files();
	errors();
	breaks();
	heap();
	return 0;
}

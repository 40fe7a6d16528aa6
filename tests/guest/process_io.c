// /proc/PID/io: what a process's calls have read and written.
#include "check.h"
#include <pthread.h>

static int ends[2];

// rchar, wchar, syscr, syscw; returns the bytes that it took to read them.
static ssize_t look(long long values[4])
{
	char text[512];
	int fd = open("/proc/self/io", O_RDONLY);
	MUST(fd);
	ssize_t n = read(fd, text, sizeof text - 1);
	MUST(n);
	MUST(close(fd));
	text[n] = 0;
	if (sscanf(text, "rchar: %lld\nwchar: %lld\nsyscr: %lld\nsyscw: %lld\n", &values[0], &values[1],
		&values[2], &values[3]) != 4) {
		printf("not understood: %s\n", text);
		exit(99);
	}
	return n;
}

// Prints what changed, without the look itself.
static void show(const char *what, const long long before[4], ssize_t own)
{
	long long after[4];
	look(after);
	printf("%s: read %lld in %lld, wrote %lld in %lld\n", what, after[0] - before[0] - own,
		after[2] - before[2] - 1, after[1] - before[1], after[3] - before[3]);
	fflush(stdout);
}

static void *feed(void *unused)
{
	(void)unused;
	sleep_ms(30);
	MUST(write(ends[1], "ten bytes.", 10));
	return 0;
}

int main(void)
{
	static char bytes[1000];
	long long before[4];
	int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0644);
	MUST(fd);
	MUST(pipe(ends));
	ssize_t own = look(before);
	show("nothing", before, own);
	own = look(before);
	MUST(write(fd, bytes, sizeof bytes));
	MUST(pwrite(fd, bytes, 10, 0));
	show("write", before, own);
	own = look(before);
	MUST(pread(fd, bytes, sizeof bytes, 500));
	MUST(read(fd, bytes, sizeof bytes));
	show("read", before, own);
	own = look(before);
	pthread_t thread;
	pthread_create(&thread, 0, feed, 0);
	MUST(read(ends[0], bytes, sizeof bytes));
	pthread_join(thread, 0);
	show("a thread that has ended", before, own);
	return 0;
}

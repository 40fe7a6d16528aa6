// Many small files in one folder: made, found again, removed. The argument is how many.
#include "bench.h"
#include <sys/stat.h>

static void name_of(char *name, size_t size, int number)
{
	snprintf(name, size, "file-%d.txt", number);
}

int main(int argc, char **argv)
{
	static char contents[1000];
	int count = argc > 1 ? atoi(argv[1]) : 10000;
	char folder[] = "/var/tmp/bench-XXXXXX", name[40];
	struct stat st;
	if (!mkdtemp(folder) || chdir(folder)) fail(folder);
	double start = now_ns();
	for (int i = 0; i < count; i++) {
		name_of(name, sizeof name, i);
		int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0666);
		if (fd == -1) fail("open");
		if (write(fd, contents, sizeof contents) != sizeof contents) fail("write");
		close(fd);
	}
	double created = now_ns();
	for (int i = 0; i < count; i++) {
		name_of(name, sizeof name, i);
		if (stat(name, &st) || st.st_size != sizeof contents) fail("stat");
	}
	double found = now_ns();
	for (int i = 0; i < count; i++) {
		name_of(name, sizeof name, i);
		if (unlink(name)) fail("unlink");
	}
	double removed = now_ns();
	if (chdir("/") || rmdir(folder)) fail("rmdir");
	report("create", created - start);
	report("stat", found - created);
	report("remove", removed - found);
	report("both", created - start + removed - found);
	return 0;
}

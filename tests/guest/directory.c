// Folders: making, listing, removing, the working directory, calls relative to a descriptor.
#include "check.h"
#include <dirent.h>
#include <limits.h>

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

// Prints the sorted names of a folder, with a slash behind folders.
static void list(const char *path)
{
	char *names[256];
	int n = 0;
	DIR *dir = opendir(path);
	if (!dir) {
		printf("opendir(%s): %s\n", path, error_name(errno));
		return;
	}
	struct dirent *entry;
	while ((entry = readdir(dir)) && n < 256) {
		struct stat st;
		MUST(fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW));
		if (entry->d_type != DT_UNKNOWN && (entry->d_type == DT_DIR) != !!S_ISDIR(st.st_mode))
			printf("wrong type of %s\n", entry->d_name);
		if (entry->d_ino != st.st_ino) printf("wrong number of %s\n", entry->d_name);
		char *name = malloc(strlen(entry->d_name) + 2);
		sprintf(name, "%s%s", entry->d_name, S_ISDIR(st.st_mode) ? "/" : "");
		names[n++] = name;
	}
	closedir(dir);
	qsort(names, n, sizeof *names, by_name);
	printf("%s:", path);
	for (int i = 0; i < n; i++) {
		printf(" %s", names[i]);
		free(names[i]);
	}
	printf("\n");
}

// Counts many entries, over more than one buffer of getdents, and again after rewinddir.
static void many(void)
{
	char name[32];
	MUST(mkdir("many", 0755));
	for (int i = 0; i < 200; i++) {
		sprintf(name, "many/a-file-with-number-%d", i);
		make_file(name, "");
	}
	DIR *dir = opendir("many");
	for (int round = 0; round < 2; round++) {
		int n = 0;
		while (readdir(dir)) n++;
		printf("entries: %d\n", n);
		rewinddir(dir);
	}
	closedir(dir);
	for (int i = 0; i < 200; i++) {
		sprintf(name, "many/a-file-with-number-%d", i);
		MUST(unlink(name));
	}
	SHOW(rmdir("many"));
}

static void working_directory(void)
{
	char start[PATH_MAX], buffer[PATH_MAX];
	MUST(getcwd(start, sizeof start) ? 0 : -1);
	SHOW(chdir("a/b"));
	MUST(getcwd(buffer, sizeof buffer) ? 0 : -1);
	printf("below the start: %s\n", buffer + strlen(start));
	make_file("here", "x");
	SHOW(chdir(".."));
	SHOW(access("b/here", F_OK));
	SHOW(chdir("b/here"));
	SHOW(chdir("missing"));
	errno = 0;
	SHOW_BOOL(getcwd(buffer, 2) == 0 && errno == ERANGE);
	int fd = open(start, O_RDONLY | O_DIRECTORY);
	MUST(fd);
	SHOW(fchdir(fd));
	SHOW(fchdir(0));
	SHOW_BOOL(getcwd(buffer, sizeof buffer) && strcmp(buffer, start) == 0);
	MUST(close(fd));

	// A working directory that was removed.
	MUST(mkdir("doomed", 0755));
	MUST(chdir("doomed"));
	SHOW(rmdir("../doomed"));
	errno = 0;
	SHOW_BOOL(getcwd(buffer, sizeof buffer) == 0 && errno == ENOENT);
	SHOW(open("file", O_CREAT | O_WRONLY, 0644));
	SHOW(mkdir("folder", 0755));
	SHOW(chdir(start));
}

int main(void)
{
	struct stat st;
	SHOW(mkdir("a", 0755));
	SHOW(mkdir("a", 0755));
	SHOW(mkdir("a/b/c", 0755));
	SHOW(mkdir("a/b/", 0755));
	SHOW(mkdir("/", 0755));
	SHOW(mkdir(".", 0755));
	SHOW(rmdir("a"));
	SHOW(rmdir("a/."));
	SHOW(rmdir("a/.."));
	SHOW(rmdir("missing"));
	make_file("file", "x");
	SHOW(rmdir("file"));
	SHOW(unlink("a"));
	SHOW(mkdir("file/x", 0755));
	MUST(stat("a", &st));
	SHOW_BOOL(S_ISDIR(st.st_mode));
	list(".");
	list("a");
	list("a/b");
	list("missing");
	list("file");
	many();
	working_directory();

	int fd = open("a", O_RDONLY | O_DIRECTORY);
	MUST(fd);
	SHOW(mkdirat(fd, "at", 0755));
	SHOW_OK(openat(fd, "at/file", O_CREAT | O_WRONLY, 0644));
	SHOW(faccessat(fd, "at/file", R_OK, 0));
	SHOW(fstatat(fd, "at/missing", &st, 0));
	SHOW(unlinkat(fd, "at", AT_REMOVEDIR));
	SHOW(unlinkat(fd, "at/file", 0));
	SHOW(unlinkat(fd, "at", 0));
	SHOW(unlinkat(fd, "at", AT_REMOVEDIR));
	SHOW(unlinkat(fd, "b", 0x4000));
	MUST(close(fd));
	SHOW(openat(fd, "x", O_RDONLY));
	fd = open("file", O_RDONLY);
	MUST(fd);
	SHOW(openat(fd, "x", O_RDONLY));
	list("a");
	return 0;
}

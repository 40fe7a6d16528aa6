// A tree as npm makes it: packages with folders and small files, as an archive would be unpacked,
// then listed with all attributes, then removed. The argument is how many files.
#include "bench.h"
#include <dirent.h>
#include <sys/stat.h>

#define FILES_PER_FOLDER 10
#define FOLDERS_PER_PACKAGE 4

static char contents[1 << 14];
static int nr_files, nr_seen;

static void make_folder(int at, const char *name)
{
	if (mkdirat(at, name, 0777)) fail("mkdirat");
}

static int enter(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY);
	if (fd == -1) fail("openat");
	return fd;
}

// Most files of packages are small, a few are larger: 200 bytes to 8 KiB.
static size_t size_of(int number)
{
	return 200 + (size_t)(number * 2654435761u >> 19) / (number % 7 ? 8 : 1);
}

static void unpack_file(int folder, int number)
{
	static const struct timespec times[2] = { { 1000000000, 0 }, { 1000000000, 0 } };
	char name[40];
	size_t size = size_of(number);
	snprintf(name, sizeof name, "module-%d.js", number);
	int fd = openat(folder, name, O_CREAT | O_EXCL | O_WRONLY, 0600);
	if (fd == -1) fail("openat");
	if (write(fd, contents, size) != (ssize_t)size) fail("write");
	if (fchmod(fd, 0644) || futimens(fd, times)) fail("attributes");
	close(fd);
}

static void unpack(int root)
{
	char name[40];
	for (int made = 0, package = 0; made < nr_files; package++) {
		snprintf(name, sizeof name, "package-%d", package);
		make_folder(root, name);
		int here = enter(root, name);
		for (int folder = 0; folder < FOLDERS_PER_PACKAGE && made < nr_files; folder++) {
			snprintf(name, sizeof name, "lib-%d", folder);
			make_folder(here, name);
			int inner = enter(here, name);
			for (int i = 0; i < FILES_PER_FOLDER && made < nr_files; i++) unpack_file(inner, made++);
			close(inner);
		}
		close(here);
	}
}

// Visits all names below a folder: as `ls -lR`, or as `rm -r`.
static void walk(int fd, int removes)
{
	DIR *dir = fdopendir(fd);
	struct dirent *entry;
	struct stat st;
	if (!dir) fail("fdopendir");
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
		if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW)) fail("fstatat");
		if (S_ISDIR(st.st_mode)) {
			walk(enter(fd, entry->d_name), removes);
		} else {
			nr_seen++;
		}
		if (removes && unlinkat(fd, entry->d_name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0)) fail("unlinkat");
	}
	closedir(dir);
}

int main(int argc, char **argv)
{
	char folder[] = "/var/tmp/bench-XXXXXX";
	nr_files = argc > 1 ? atoi(argv[1]) : 30000;
	if (!mkdtemp(folder)) fail(folder);
	double start = now_ns();
	int root = enter(AT_FDCWD, folder);
	unpack(root);
	close(root);
	double unpacked = now_ns();
	walk(enter(AT_FDCWD, folder), 0);
	double listed = now_ns();
	if (nr_seen != nr_files) fail("files are missing");
	walk(enter(AT_FDCWD, folder), 1);
	double removed = now_ns();
	if (rmdir(folder)) fail("rmdir");
	report("unpack", unpacked - start);
	report("list", listed - unpacked);
	report("remove", removed - listed);
	return 0;
}

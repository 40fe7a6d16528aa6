// Extended attributes on two file systems: of the current folder, and of /var/tmp.
#include "check.h"
#include <sys/xattr.h>

// Prints the names of a file's attributes in order, without those that the machine adds.
static void show_names(const char *what, ssize_t n, char *names)
{
	const char *sorted[16];
	int count = 0;
	if (n == -1) {
		printf("%s: %s\n", what, error_name(errno));
		return;
	}
	for (char *name = names; name < names + n && count < 16; name += strlen(name) + 1) {
		if (!strcmp(name, "security.selinux") || !strncmp(name, "system.", 7)) continue;
		int at = count++;
		for (; at > 0 && strcmp(sorted[at - 1], name) > 0; at--) sorted[at] = sorted[at - 1];
		sorted[at] = name;
	}
	printf("%s:", what);
	for (int i = 0; i < count; i++) printf(" %s", sorted[i]);
	puts("");
}

static void show_value(const char *path, const char *name)
{
	char value[64];
	ssize_t n = getxattr(path, name, value, sizeof value);
	if (n == -1) printf("%s of %s: %s\n", name, path, error_name(errno));
	else printf("%s of %s: [%.*s]\n", name, path, (int)n, value);
}

// As SHOW, for calls that may answer ENODATA.
#define SHOW_X(call) \
	do { \
		long long result = (call); \
		if (result == -1 && errno == ENODATA) printf("%s: ENODATA\n", #call); \
		else show_result(#call, result); \
	} while (0)

static void test(void)
{
	char names[256], value[64];
	make_file("file", "text");
	MUST(mkdir("folder", 0755));
	MUST(symlink("file", "link"));
	MUST(mkfifo("fifo", 0644));
	SHOW(setxattr("file", "user.one", "first", 5, 0));
	SHOW(setxattr("file", "user.one", "1st", 3, XATTR_REPLACE));
	SHOW(setxattr("link", "user.two", "second", 6, XATTR_CREATE));
	SHOW(setxattr("file", "user.empty", "", 0, 0));
	SHOW(setxattr("folder", "user.of folder", "x", 1, 0));
	show_value("file", "user.one");
	show_value("link", "user.two");
	show_value("file", "user.empty");
	show_value("folder", "user.of folder");
	show_names("file", listxattr("file", names, sizeof names), names);
	show_names("folder", listxattr("folder", names, sizeof names), names);
	show_names("link itself", llistxattr("link", names, sizeof names), names);

	puts("-- sizes");
	SHOW(getxattr("file", "user.two", 0, 0));
	SHOW(getxattr("file", "user.two", value, 5));
	SHOW(getxattr("file", "user.two", value, 6));
	SHOW(getxattr("file", "user.empty", value, 1));
	SHOW(listxattr("file", names, 5));
	char name[300];
	memset(name, 'n', sizeof name);
	memcpy(name, "user.", 5);
	name[255] = 0;
	SHOW(setxattr("file", name, "long", 4, 0));
	show_value("file", name);
	SHOW(removexattr("file", name));
	name[255] = 'n', name[256] = 0;
	SHOW(setxattr("file", name, "long", 4, 0));
	SHOW(setxattr("file", "", "x", 1, 0));
	static char large[65537];
	SHOW(setxattr("file", "user.large", large, sizeof large, 0));

	puts("-- what is there and what is not");
	SHOW(setxattr("file", "user.one", "x", 1, XATTR_CREATE));
	SHOW_X(setxattr("file", "user.none", "x", 1, XATTR_REPLACE));
	SHOW(setxattr("file", "user.one", "x", 1, XATTR_CREATE | XATTR_REPLACE));
	SHOW_X(setxattr("file", "user.none", "x", 1, XATTR_CREATE | XATTR_REPLACE));
	SHOW(setxattr("file", "user.one", "x", 1, 4));
	SHOW_X(getxattr("file", "user.none", value, 1));
	SHOW_X(removexattr("file", "user.none"));
	SHOW(removexattr("file", "user.empty"));
	SHOW_X(removexattr("file", "user.empty"));
	SHOW(setxattr("none", "user.one", "x", 1, 0));
	SHOW(listxattr("none", 0, 0));

	puts("-- namespaces");
	SHOW(setxattr("file", "trusted.root", "t", 1, 0));
	SHOW(setxattr("file", "security.shoal", "s", 1, 0));
	SHOW(setxattr("file", "nothing.known", "x", 1, 0));
	SHOW(setxattr("file", "nodot", "x", 1, 0));
	SHOW(setxattr("file", "user.", "x", 1, 0));
	SHOW(getxattr("file", "user.", value, 1));
	SHOW(getxattr("file", "nothing.known", value, 1));
	SHOW(removexattr("file", "nothing.known"));
	SHOW(setxattr("fifo", "user.one", "x", 1, 0));
	SHOW_X(getxattr("fifo", "user.one", value, 1));
	SHOW(setxattr("fifo", "trusted.one", "x", 1, 0));
	show_value("fifo", "trusted.one");
	SHOW(lsetxattr("link", "user.one", "x", 1, 0));
	SHOW_X(lgetxattr("link", "user.one", value, 1));
	SHOW(lsetxattr("link", "trusted.one", "l", 1, 0));
	SHOW(lgetxattr("link", "trusted.one", value, sizeof value));
	SHOW(lremovexattr("link", "trusted.one"));
	SHOW_X(lremovexattr("link", "trusted.one"));
	show_names("file", listxattr("file", names, sizeof names), names);

	puts("-- descriptors and addresses");
	int fd = open("file", O_RDONLY), path = open("file", O_PATH);
	MUST(fd);
	MUST(path);
	SHOW(fsetxattr(fd, "user.one", "open", 4, 0));
	SHOW(fgetxattr(fd, "user.one", value, sizeof value));
	SHOW(fremovexattr(fd, "user.two"));
	show_names("open file", flistxattr(fd, names, sizeof names), names);
	SHOW(fsetxattr(path, "user.one", "x", 1, 0));
	SHOW(fgetxattr(path, "user.one", value, 1));
	SHOW(flistxattr(99, names, 1));
	SHOW(setxattr("file", BAD_POINTER, "x", 1, 0));
	SHOW(setxattr("file", "user.one", BAD_POINTER, 1, 0));
	SHOW(getxattr("file", "user.one", BAD_POINTER, 9));

	puts("-- who may");
	MUST(chmod("file", 0600));
	MUST(chmod("folder", 01777));
	MUST(chmod(".", 0755));
	MUST(seteuid(12345));
	SHOW_X(getxattr("file", "trusted.root", value, 1));
	SHOW(setxattr("file", "trusted.root", "x", 1, 0));
	SHOW(getxattr("file", "user.one", value, sizeof value));
	SHOW(setxattr("file", "user.one", "x", 1, 0));
	SHOW(getxattr("file", "security.shoal", value, sizeof value));
	SHOW(setxattr("file", "security.shoal", "x", 1, 0));
	SHOW(setxattr("folder", "user.sticky", "x", 1, 0));
	show_names("file", listxattr("file", names, sizeof names), names);
	MUST(seteuid(0));

	puts("-- a life with the file");
	struct stat before, after;
	MUST(stat("file", &before));
	sleep_ms(20);
	MUST(setxattr("file", "user.late", "x", 1, 0));
	MUST(stat("file", &after));
	SHOW_BOOL(before.st_ctim.tv_sec != after.st_ctim.tv_sec || before.st_ctim.tv_nsec != after.st_ctim.tv_nsec);
	SHOW_BOOL(before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
	MUST(rename("file", "renamed"));
	MUST(link("renamed", "file"));
	show_value("file", "user.late");
	MUST(unlink("file"));
	MUST(unlink("renamed"));
	SHOW(fgetxattr(fd, "user.late", value, sizeof value));
	MUST(unlink("link"));
	MUST(unlink("fifo"));
	MUST(rmdir("folder"));
	MUST(close(fd));
	MUST(close(path));
}

int main(void)
{
	char names[256];
	umask(022);
	test();
	char elsewhere[] = "/var/tmp/xattr-XXXXXX";
	if (!mkdtemp(elsewhere)) return 99;
	puts("== elsewhere");
	fflush(stdout);
	MUST(chdir(elsewhere));
	test();
	MUST(chdir("/"));
	MUST(rmdir(elsewhere));

	puts("== without any");
	SHOW(setxattr("/proc/self/status", "user.one", "x", 1, 0));
	SHOW(getxattr("/proc/self/status", "user.one", names, 1));
	SHOW(removexattr("/proc/self/status", "user.one"));
	show_names("status", listxattr("/proc/self/status", names, sizeof names), names);
	int ends[2];
	MUST(pipe(ends));
	SHOW(fsetxattr(ends[0], "user.one", "x", 1, 0));
	SHOW_X(fgetxattr(ends[0], "user.one", names, 1));
	return 0;
}

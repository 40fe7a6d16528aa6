// Hard links, symbolic links, renames.
#include "check.h"
#include <linux/fs.h>
#include <sys/syscall.h>

static void show_link(const char *path)
{
	char target[64];
	ssize_t n = readlink(path, target, sizeof target);
	if (n == -1) printf("%s: %s\n", path, error_name(errno));
	else printf("%s -> %.*s\n", path, (int)n, target);
}

static int nr_links(const char *path)
{
	struct stat st;
	MUST(lstat(path, &st));
	return st.st_nlink;
}

static void hard_links(void)
{
	struct stat a, b;
	make_file("file", "contents");
	SHOW(link("file", "second"));
	SHOW(link("file", "second"));
	SHOW(link("missing", "third"));
	SHOW(link(".", "folder-link"));
	SHOW(nr_links("file"));
	MUST(stat("file", &a));
	MUST(stat("second", &b));
	SHOW_BOOL(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	SHOW(unlink("file"));
	SHOW(nr_links("second"));
	show_file("second");
	SHOW(unlink("file"));
}

static void symbolic_links(void)
{
	struct stat st;
	char small[3];
	SHOW(symlink("second", "soft"));
	SHOW(symlink("second", "soft"));
	SHOW(symlink("", "empty"));
	show_link("soft");
	show_link("second");
	show_file("soft");
	MUST(lstat("soft", &st));
	SHOW_BOOL(S_ISLNK(st.st_mode));
	printf("size %lld\n", (long long)st.st_size);
	SHOW(readlink("soft", small, sizeof small));
	SHOW(syscall(SYS_readlinkat, AT_FDCWD, "soft", small, 0));
	SHOW(open("soft", O_RDONLY | O_NOFOLLOW));

	MUST(symlink("nowhere", "dangling"));
	SHOW(open("dangling", O_RDONLY));
	SHOW(open("dangling", O_CREAT | O_EXCL | O_WRONLY, 0644));
	SHOW(stat("dangling", &st));
	SHOW(lstat("dangling", &st));
	SHOW_OK(open("dangling", O_CREAT | O_WRONLY, 0644));
	SHOW(access("nowhere", F_OK));

	MUST(symlink("loop-b", "loop-a"));
	MUST(symlink("loop-a", "loop-b"));
	SHOW(open("loop-a", O_RDONLY));
	SHOW(stat("loop-a", &st));

	MUST(mkdir("folder", 0755));
	make_file("folder/inside", "in");
	MUST(symlink("folder", "to-folder"));
	SHOW(access("to-folder/inside", F_OK));
	SHOW(access("to-folder/../second", F_OK));
	SHOW(rmdir("to-folder"));
	SHOW(open("to-folder", O_NOFOLLOW | O_DIRECTORY));
	SHOW(unlink("to-folder/"));
	SHOW(unlink("to-folder"));

	// A hard link of a symbolic link is one itself.
	SHOW(link("soft", "soft2"));
	show_link("soft2");
	SHOW(linkat(AT_FDCWD, "soft", AT_FDCWD, "hard", AT_SYMLINK_FOLLOW));
	show_link("hard");

	// A long target, longer than what fits into an inode.
	char target[201];
	memset(target, 't', 200);
	target[200] = 0;
	SHOW(symlink(target, "long"));
	SHOW(nr_links("long"));
	char back[256];
	SHOW(readlink("long", back, sizeof back));
	SHOW_BOOL(memcmp(back, target, 200) == 0);
}

static int rename_flags(const char *from, const char *to, unsigned flags)
{
	return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

static void renames(void)
{
	make_file("from", "from");
	make_file("to", "to");
	SHOW(rename("from", "to"));
	show_file("to");
	SHOW(rename("from", "to"));
	SHOW(rename("to", "to"));
	MUST(mkdir("d1", 0755));
	MUST(mkdir("d2", 0755));
	MUST(mkdir("d2/sub", 0755));
	SHOW(rename("to", "d1"));
	SHOW(rename("d1", "to"));
	SHOW(rename("d1", "d2"));
	SHOW(rename("d2", "d2/sub/deeper"));
	SHOW(rename("d2/sub", "d1"));
	SHOW(nr_links("d2"));
	SHOW(rename("d1", "d2/moved"));
	SHOW(nr_links("d2"));
	SHOW(rename("to", "d2/moved/file"));
	show_file("d2/moved/file");
	SHOW(rename("d2/moved/file", "missing/file"));
	SHOW(rename(".", "x"));
	SHOW(rename("d2/..", "x"));

	make_file("x", "x");
	make_file("y", "y");
	SHOW(rename_flags("x", "y", RENAME_NOREPLACE));
	SHOW(rename_flags("x", "z", RENAME_NOREPLACE));
	SHOW(rename_flags("y", "z", RENAME_NOREPLACE | RENAME_EXCHANGE));
	show_file("z");

	// Two that overlays use.
	struct stat st;
	SHOW(rename_flags("z", "w", RENAME_WHITEOUT | RENAME_EXCHANGE));
	SHOW(rename_flags("z", "y", RENAME_WHITEOUT | RENAME_NOREPLACE));
	SHOW(rename_flags("z", "w", RENAME_WHITEOUT | RENAME_NOREPLACE));
	show_file("w");
	MUST(lstat("z", &st));
	printf("z: type %o, mode %o, device %d, links %d\n", st.st_mode & S_IFMT,
	       st.st_mode & 07777, (int)st.st_rdev, (int)st.st_nlink);
	SHOW(open("z", O_RDONLY));
	SHOW(rename_flags("w", "z", RENAME_WHITEOUT));
	show_file("z");
	SHOW(unlink("w"));

	// Both names of one file: nothing happens.
	MUST(link("y", "y2"));
	SHOW(rename("y", "y2"));
	SHOW(access("y", F_OK));
}

int main(void)
{
	hard_links();
	symbolic_links();
	renames();
	return 0;
}

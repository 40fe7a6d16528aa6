// Mounts that are made, bound, moved, and read-only.
#include "check.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

static int bind_mount(const char *from, const char *to) { return mount(from, to, NULL, MS_BIND, NULL); }
static int move(const char *from, const char *to) { return mount(from, to, NULL, MS_MOVE, NULL); }

static int remount(const char *path, unsigned long flags)
{
	return mount(NULL, path, NULL, MS_REMOUNT | flags, NULL);
}

static int touch(const char *path)
{
	int fd = open(path, O_CREAT | O_RDWR, 0644);
	return fd == -1 ? -1 : close(fd);
}

// The flags of a mount as statvfs(3) and /proc/self/mountinfo have them.
static void show_options(const char *path)
{
	struct statvfs vfs;
	MUST(statvfs(path, &vfs));
	printf("%s:%s%s%s", path, vfs.f_flag & ST_RDONLY ? " read-only" : "",
	       vfs.f_flag & ST_NODEV ? " nodev" : "", vfs.f_flag & ST_NOATIME ? " noatime" : "");
	FILE *mounts = fopen("/proc/self/mountinfo", "r");
	if (!mounts) exit(1);
	char line[1024], place[512], options[256];
	while (fgets(line, sizeof line, mounts)) {
		if (sscanf(line, "%*s %*s %*s %*s %511s %255s", place, options) != 2) continue;
		const char *name = strrchr(place, '/');
		if (!name || strcmp(name + 1, path) != 0) continue;
		const char *last = strrchr(line, ' ');
		printf(", mounted %s, file system %.2s", options, last + 1);
	}
	fclose(mounts);
	printf("\n");
}

static void moves(void)
{
	MUST(mount("none", "t", "tmpfs", 0, "size=1m"));
	MUST(mkdir("t/in", 0755));
	MUST(mkdir("t/in/d", 0755));
	MUST(mount("none", "t/in/d", "tmpfs", 0, "size=1m"));
	make_file("t/in/d/deep", "deep");
	SHOW(move("t/in", "m"));
	SHOW(move("t", "file"));
	SHOW(move("t", "t"));
	SHOW(move("t", "t/in"));
	SHOW(move("t", "t/in/d"));
	SHOW(move("/", "t"));
	SHOW(move("", "t"));
	SHOW(move("t", "missing"));
	SHOW(move("missing", "t"));
	SHOW(rmdir("t"));
	SHOW(move("t", "m"));
	show_file("m/in/d/deep");
	SHOW(access("t/in", F_OK));
	SHOW(rmdir("t"));
	SHOW(rmdir("m"));
	SHOW(umount("m"));
	SHOW(move("m/in/d", "b"));
	SHOW(umount("m"));
	show_file("b/deep");
	SHOW(umount("b"));
	MUST(mkdir("t", 0755));
}

static void read_only(void)
{
	MUST(mount("none", "m", "tmpfs", 0, "size=1m"));
	MUST(mkdir("m/in", 0755));
	SHOW(mount("m", "b", NULL, MS_BIND | MS_RDONLY, NULL));
	SHOW(touch("b/x"));

	int fd = open("b/x", O_RDWR);
	SHOW(remount("b", MS_BIND | MS_RDONLY));
	MUST(close(fd));
	fd = open("m/x", O_RDWR);
	SHOW(remount("b", MS_BIND | MS_RDONLY | MS_NODEV));
	SHOW(touch("b/x"));
	SHOW(unlink("b/x"));
	SHOW(touch("m/y"));
	show_options("b");
	show_options("m");
	SHOW(remount("m/in", MS_BIND | MS_RDONLY));
	SHOW(remount("m/in", MS_RDONLY));

	// Of the whole file system.
	SHOW(remount("m", MS_RDONLY));
	MUST(close(fd));
	fd = open("m/x", O_RDONLY);
	SHOW(remount("m", MS_RDONLY | MS_NOATIME));
	MUST(close(fd));
	SHOW(remount("b", MS_BIND));
	SHOW(touch("m/x"));
	SHOW(touch("b/x"));
	show_options("b");
	show_options("m");
	SHOW(remount("m", 0));
	SHOW(touch("m/x"));
	SHOW(touch("b/x"));
	show_options("m");

	static char contents[300 << 10];
	fd = open("m/x", O_RDWR);
	SHOW(write(fd, contents, sizeof contents));
	MUST(close(fd));
	SHOW(mount(NULL, "m", NULL, MS_REMOUNT, "size=64k"));
	SHOW(mount(NULL, "m", NULL, MS_REMOUNT, "size=none"));
	SHOW(mount(NULL, "m", NULL, MS_REMOUNT, "size=2m"));
	SHOW(umount("b"));
	SHOW(umount("m"));
}

static void files(void)
{
	make_file("other", "other");
	SHOW(bind_mount("file", "b"));
	SHOW(bind_mount("file", "other"));
	SHOW(move("other", "b"));
	make_file("third", "third");
	SHOW(move("other", "third"));
	show_file("other");
	show_file("third");
	SHOW(unlink("third"));
	SHOW(umount("third"));
	SHOW(unlink("third"));
}

int main(void)
{
	// Where there are namespaces, nobody else sees what is mounted here.
	if (unshare(CLONE_NEWNS) == 0) MUST(mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	MUST(mkdir("t", 0755));
	MUST(mkdir("m", 0755));
	MUST(mkdir("b", 0755));
	make_file("file", "file");
	moves();
	read_only();
	files();
	return 0;
}

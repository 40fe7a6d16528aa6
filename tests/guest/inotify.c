// inotify: what happens to files and in directories, renames, watches that end, masks, the queue.
#include "check.h"
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>

static int in;
static uint32_t last_cookie;

static void show_event(const struct inotify_event *e)
{
	static const struct {
		unsigned bit;
		const char *name;
	} bits[] = { { IN_ACCESS, "ACCESS" }, { IN_MODIFY, "MODIFY" }, { IN_ATTRIB, "ATTRIB" },
		{ IN_CLOSE_WRITE, "CLOSE_WRITE" }, { IN_CLOSE_NOWRITE, "CLOSE_NOWRITE" },
		{ IN_OPEN, "OPEN" }, { IN_MOVED_FROM, "MOVED_FROM" }, { IN_MOVED_TO, "MOVED_TO" },
		{ IN_CREATE, "CREATE" }, { IN_DELETE, "DELETE" }, { IN_DELETE_SELF, "DELETE_SELF" },
		{ IN_MOVE_SELF, "MOVE_SELF" }, { IN_UNMOUNT, "UNMOUNT" },
		{ IN_Q_OVERFLOW, "Q_OVERFLOW" }, { IN_IGNORED, "IGNORED" }, { IN_ISDIR, "ISDIR" } };
	printf("  %d:", e->wd);
	for (size_t b = 0; b < sizeof bits / sizeof *bits; b++)
		if (e->mask & bits[b].bit) printf(" %s", bits[b].name);
	if (e->cookie) printf(" %s cookie", e->cookie == last_cookie ? "the same" : "a new");
	last_cookie = e->cookie;
	if (e->len) printf(" \"%s\" in %u", e->name, e->len);
	printf("\n");
}

// Prints all that is there.
static void show(const char *what)
{
	char buffer[4096] __attribute__((aligned(8)));
	ssize_t n;
	printf("%s\n", what);
	while ((n = read(in, buffer, sizeof buffer)) > 0)
		for (char *at = buffer; at < buffer + n;) {
			struct inotify_event *e = (void *)at;
			show_event(e);
			at += sizeof *e + e->len;
		}
	if (n == -1 && errno != EAGAIN) printf("  %s\n", error_name(errno));
}

static void touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0644);
	MUST(fd);
	MUST(close(fd));
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		sleep_ms(50);
		touch("d/child");
		return 0;
	}
	char c;
	printf("-- errors\n");
	SHOW(inotify_init1(1));
	in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	SHOW_BOOL(in >= 0);
	SHOW(fcntl(in, F_GETFD));
	SHOW_BOOL(fcntl(in, F_GETFL) == O_NONBLOCK || fcntl(in, F_GETFL) == (O_RDWR | O_NONBLOCK));
	SHOW(inotify_add_watch(in, "missing", IN_ALL_EVENTS));
	SHOW(inotify_add_watch(in, ".", 0));
	SHOW(inotify_add_watch(in, ".", IN_MODIFY | IN_MASK_ADD | IN_MASK_CREATE));
	SHOW(inotify_add_watch(99, ".", IN_MODIFY));
	SHOW(inotify_add_watch(0, ".", IN_MODIFY));
	SHOW(inotify_add_watch(in, BAD_POINTER, IN_MODIFY));
	SHOW(inotify_rm_watch(in, 1));
	SHOW(inotify_rm_watch(0, 1));
	SHOW(write(in, "x", 1));
	SHOW(read(in, &c, 1));
	make_file("file", "text");
	SHOW(inotify_add_watch(in, "file", IN_MODIFY | IN_ONLYDIR));
	MUST(symlink("file", "link"));

	printf("-- a file\n");
	SHOW(inotify_add_watch(in, "link", IN_ALL_EVENTS));
	int fd = open("file", O_RDWR);
	show("open");
	MUST(read(fd, &c, 1));
	show("read");
	MUST(write(fd, "ab", 2));
	MUST(write(fd, "cd", 2));
	show("two writes are one event");
	MUST(pread(fd, &c, 1, 0));
	MUST(pwrite(fd, "x", 1, 0));
	MUST(pread(fd, &c, 1, 0));
	show("in turn");
	MUST(ftruncate(fd, 2));
	MUST(truncate("file", 1));
	show("truncate");
	MUST(fchmod(fd, 0600));
	MUST(chmod("file", 0644));
	MUST(chown("file", -1, getgid()));
	MUST(futimens(fd, 0));
	show("attributes");
	struct timespec times[2] = { { 1, 0 }, { 0, UTIME_OMIT } };
	MUST(utimensat(AT_FDCWD, "file", times, 0));
	times[0].tv_nsec = UTIME_OMIT;
	times[1].tv_nsec = 0;
	MUST(utimensat(AT_FDCWD, "file", times, 0));
	show("one time");
	int copy = dup(fd);
	MUST(close(fd));
	show("a copy is open");
	MUST(close(copy));
	fd = open("file", O_RDONLY);
	MUST(close(fd));
	show("closed");
	MUST(link("file", "second"));
	show("another name");
	MUST(rename("file", "third"));
	show("renamed");
	MUST(unlink("second"));
	show("one name less");
	fd = open("third", O_RDONLY);
	MUST(unlink("third"));
	show("no name, but open");
	MUST(close(fd));
	show("gone");
	SHOW(inotify_rm_watch(in, 1));

	printf("-- a directory\n");
	MUST(mkdir("d", 0755));
	MUST(mkdir("e", 0755));
	int d = inotify_add_watch(in, "d", IN_ALL_EVENTS);
	SHOW(d);
	touch("d/a");
	show("made");
	fd = open("d/a", O_WRONLY);
	MUST(write(fd, "text", 4));
	MUST(close(fd));
	show("written");
	show_file("d/a");
	show("read");
	MUST(mkdir("d/sub", 0755));
	MUST(symlink("a", "d/s"));
	MUST(link("d/a", "d/hard"));
	MUST(mkfifo("d/fifo", 0600));
	show("other kinds");
	MUST(chmod("d/sub", 0700));
	MUST(chmod("d", 0700));
	show("attributes");
	touch("d/sub/deeper");
	show("below: nothing");
	MUST(rename("d/a", "d/b"));
	show("renamed in it");
	MUST(rename("d/b", "e/b"));
	show("moved away");
	MUST(rename("e/b", "d/0123456789abcdef"));
	show("moved in");
	touch("d/x");
	touch("d/y");
	show("two");
	MUST(rename("d/x", "d/y"));
	show("over another");
	MUST(unlink("d/y"));
	MUST(unlink("d/sub/deeper"));
	MUST(rmdir("d/sub"));
	show("removed");
	fd = open("d/hard", O_RDWR);
	MUST(unlink("d/hard"));
	MUST(write(fd, "x", 1));
	MUST(close(fd));
	show("used without a name");
	fd = open("d", O_RDONLY | O_DIRECTORY);
	MUST(close(fd));
	show("opened");

	printf("-- both a directory and a file in it\n");
	touch("d/both");
	int both = inotify_add_watch(in, "d/both", IN_OPEN | IN_CLOSE);
	SHOW(both);
	show("made");
	touch("d/both");
	show("opened");
	SHOW(inotify_rm_watch(in, both));
	show("removed");
	SHOW(inotify_rm_watch(in, both));

	printf("-- masks\n");
	SHOW(inotify_add_watch(in, "d", IN_CREATE) == d);
	touch("d/m");
	MUST(unlink("d/m"));
	show("only makes");
	SHOW(inotify_add_watch(in, "d", IN_DELETE | IN_MASK_ADD) == d);
	touch("d/m");
	MUST(unlink("d/m"));
	show("makes and removals");
	SHOW(inotify_add_watch(in, "d", IN_DELETE | IN_MASK_CREATE));
	SHOW(inotify_add_watch(in, "d", IN_MODIFY | IN_EXCL_UNLINK) == d);
	fd = open("d/u", O_RDWR | O_CREAT, 0644);
	MUST(write(fd, "x", 1));
	MUST(unlink("d/u"));
	MUST(write(fd, "x", 1));
	MUST(close(fd));
	show("not without a name");
	int link_watch = inotify_add_watch(in, "link", IN_ALL_EVENTS | IN_DONT_FOLLOW);
	SHOW_BOOL(link_watch > both);
	MUST(unlink("link"));
	show("the link itself");
	int once = inotify_add_watch(in, "e", IN_CREATE | IN_ONESHOT);
	SHOW_BOOL(once > link_watch);
	touch("e/1");
	touch("e/2");
	show("one shot");
	SHOW(inotify_rm_watch(in, once));

	printf("-- the end of a directory\n");
	int e = inotify_add_watch(in, "e", IN_ALL_EVENTS);
	MUST(unlink("e/1"));
	MUST(unlink("e/2"));
	MUST(rename("e", "f"));
	MUST(rmdir("f"));
	show("renamed and removed");
	SHOW(inotify_rm_watch(in, e));

	printf("-- the queue\n");
	SHOW(inotify_add_watch(in, "d", IN_CREATE | IN_DELETE) == d);
	touch("d/q");
	MUST(unlink("d/q"));
	int bytes = -1;
	SHOW(ioctl(in, FIONREAD, &bytes));
	SHOW(bytes);
	struct pollfd entry = { in, POLLIN | POLLOUT, 0 };
	SHOW(poll(&entry, 1, 0));
	SHOW_BOOL(entry.revents == POLLIN);
	char buffer[64];
	SHOW(read(in, buffer, 31));
	SHOW(read(in, buffer, 63));
	SHOW(read(in, buffer, 64));
	SHOW(read(in, buffer, 64));
	SHOW(poll(&entry, 1, 0));
	fcntl(in, F_SETFL, 0);
	pid_t child = start_role(argv[0], "touch", 0, 0);
	SHOW(read(in, buffer, 64));
	show_event((void *)buffer);
	show_end("child", child);
	fcntl(in, F_SETFL, O_NONBLOCK);
	return 0;
}

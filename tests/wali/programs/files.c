/* Files, directories, links, locks: what stat(2) and its kin say of them. */
#include "wali.h"

static void show(const char *name, const struct stat *s)
{
	say("%s: mode %o links %d size %d blksize %d uid==gid %d\n", name, (long)s->mode, (long)s->nlink, (long)s->size,
	    (long)(s->blksize > 0), (long)(s->uid == s->gid));
}

static int by_name(const char *a, const char *b)
{
	while (*a && *a == *b) a++, b++;
	return (unsigned char)*a - (unsigned char)*b;
}

static void list(const char *path)
{
	char buf[1024];
	const char *names[32];
	int types[32], count = 0;
	int fd = sys_open(path, RDONLY | DIRECTORY, 0);
	long n = sys_getdents64(fd, buf, sizeof buf);
	for (long at = 0; at < n;) {
		struct dirent *entry = (struct dirent *)(buf + at);
		int i = count++;
		for (; i > 0 && by_name(names[i - 1], entry->name) > 0; i--) names[i] = names[i - 1], types[i] = types[i - 1];
		names[i] = entry->name, types[i] = entry->type;
		at += entry->reclen;
	}
	for (int i = 0; i < count; i++) say("  %s %d\n", names[i], (long)types[i]);
	SAY(sys_close(fd));
}

int run(int argc, char **argv)
{
	struct stat s, t;
	char buf[64];
	(void)argc, (void)argv;
	sys_umask(022);
	int fd = sys_open("file", RDWR | CREAT | EXCL, 0644);
	SAY(fd < 0);
	SAY(sys_open("file", RDWR | CREAT | EXCL, 0644));
	SAY(sys_write(fd, "0123456789", 10));
	SAY(sys_lseek(fd, -3, 2));
	SAY(sys_read(fd, buf, 2));
	SAY(sys_lseek(fd, 0, 1));
	SAY(sys_lseek(fd, 0x123456789a, 0));
	SAY(sys_lseek(fd, -1, 0));
	SAY(sys_lseek(fd, 0, 99));
	SAY(sys_pwrite64(fd, "AB", 2, 4));
	SAY(sys_pread64(fd, buf, 5, 3));
	buf[5] = 0;
	say("%s\n", buf);
	SAY(sys_fstat(fd, &s));
	show("file", &s);
	SAY(sys_ftruncate(fd, 0x200000001));
	SAY(sys_fstat(fd, &s));
	SAY(s.size);
	SAY(sys_truncate("file", 6));
	SAY(sys_stat("file", &s));
	show("file", &s);
	struct iovec iov[2] = {{buf, 2}, {buf + 8, 4}};
	SAY(sys_lseek(fd, 0, 0));
	SAY(sys_readv(fd, iov, 2));
	say("%c%c%c%c\n", buf[0], buf[1], buf[8], buf[11]);
	struct timespec times[2] = {{1234567890, 123456789}, {5000000000, 987654321}};
	SAY(sys_utimensat(AT_FDCWD, "file", times, 0));
	SAY(sys_newfstatat(AT_FDCWD, "file", &s, 0));
	say("%d.%d %d.%d\n", (long)s.atim.sec, s.atim.nsec, (long)s.mtim.sec, s.mtim.nsec);
	SAY(s.ctim.sec > 1600000000);
	SAY(sys_chmod("file", 0600));
	SAY(sys_link("file", "second"));
	SAY(sys_symlink("file", "soft"));
	SAY(sys_lstat("soft", &s));
	say("%o %d\n", (long)(s.mode & 0170000), (long)s.size);
	SAY(sys_stat("soft", &s));
	show("soft", &s);
	SAY(sys_fstat(fd, &t));
	SAY(s.ino == t.ino && s.dev == t.dev && s.ino != 0);
	SAY(sys_readlink("soft", buf, sizeof buf));
	SAY(sys_mkdir("folder", 0755));
	SAY(sys_rename("second", "folder/moved"));
	list(".");
	list("folder");
	SAY(sys_access("folder/moved", 4));
	SAY(sys_access("nothing", 0));
	SAY(sys_stat("nothing", &s));
	SAY(sys_rmdir("folder"));
	SAY(sys_unlink("folder/moved"));
	SAY(sys_rmdir("folder"));

	/* Locks: another process finds who holds one. */
	struct flock lock = {1, 0, 2, 0x100000000, 0};
	SAY(sys_fcntl(fd, 6, (unsigned long)&lock));
	long self = sys_getpid();
	if (sys_fork() == 0) {
		struct flock probe = {1, 0, 0, 0, 0};
		SAY(sys_fcntl(fd, 5, (unsigned long)&probe));
		say("%d %d %d %d\n", (long)probe.type, (long)probe.start, (long)probe.len, (long)(probe.pid == self));
		SAY(sys_fcntl(fd, 6, (unsigned long)&lock));
		sys_exit_group(0);
	}
	sys_wait4(-1, 0, 0, 0);
	SAY(sys_fcntl(fd, 3, 0) & 3);
	SAY(sys_fcntl(fd, 1030, 50));

	struct statfs fs;
	memset(&fs, 0xff, sizeof fs);
	SAY(sys_statfs(".", &fs));
	SAY(fs.namelen);
	SAY(fs.bsize >= 512 && fs.bfree <= fs.blocks && fs.spare[3] == 0);
	char statx[256];
	SAY(sys_statx(AT_FDCWD, "file", 0, 0x7ff, statx));
	SAY(*(uint64_t *)(statx + 40));
	int copy = sys_open("copy", RDWR | CREAT, 0644);
	int64_t from = 2;
	SAY(sys_sendfile(copy, fd, &from, 3));
	SAY(from);
	SAY(sys_fstat(copy, (struct stat *)0xfffffff0));
	SAY(sys_fstat(99, &s));
	SAY(sys_unlink("copy") + sys_unlink("soft") + sys_unlink("file"));
	return 0;
}

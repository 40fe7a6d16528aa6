// What stat says, and what changes it: modes, times, sizes, devices.
#include "check.h"
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

static void show_mode(const char *path)
{
	struct stat st;
	MUST(lstat(path, &st));
	printf("%s: mode %o\n", path, (unsigned)st.st_mode);
}

static void show_times(const char *path)
{
	struct stat st;
	MUST(stat(path, &st));
	printf("%s: atime %lld.%09ld mtime %lld.%09ld\n", path, (long long)st.st_atim.tv_sec,
		(long)st.st_atim.tv_nsec, (long long)st.st_mtim.tv_sec, (long)st.st_mtim.tv_nsec);
}

static void modes(void)
{
	umask(022);
	make_file("file", "12345");
	show_mode("file");
	SHOW(chmod("file", 0640));
	show_mode("file");
	SHOW(chmod("file", 04755));
	show_mode("file");
	int fd = open("file", O_RDONLY);
	SHOW(fchmod(fd, 0600));
	show_mode("file");
	close(fd);
	MUST(mkdir("folder", 01777));
	show_mode("folder");
	SHOW(chmod("folder", 01777));
	show_mode("folder");
	umask(0);
	MUST(mkdir("open", 0777));
	show_mode("open");
	umask(0777);
	fd = open("closed", O_CREAT | O_RDWR, 0666);
	show_mode("closed");
	SHOW(write(fd, "x", 1));
	close(fd);
	umask(022);
	MUST(symlink("file", "link"));
	show_mode("link");
	SHOW(chmod("missing", 0644));
	SHOW(mkfifo("fifo", 0644));
	show_mode("fifo");
	SHOW(mkfifo("fifo", 0644));
	SHOW(access("file", X_OK));
	SHOW(access("file", 99));
	SHOW(chown("file", -1, -1));
	SHOW(lchown("link", getuid(), getgid()));
	SHOW(chown("missing", 0, 0));
}

static void times(void)
{
	struct timespec both[] = { { 1000000000, 123456789 }, { 1500000000, 987654321 } };
	SHOW(utimensat(AT_FDCWD, "file", both, 0));
	show_times("file");
	both[0].tv_nsec = UTIME_OMIT;
	both[1] = (struct timespec){ 2000000000, 0 };
	SHOW(utimensat(AT_FDCWD, "file", both, 0));
	show_times("file");
	both[0] = both[1] = (struct timespec){ 0, UTIME_OMIT };
	SHOW(utimensat(AT_FDCWD, "file", both, 0));
	both[0].tv_nsec = 1000000000;
	SHOW(utimensat(AT_FDCWD, "file", both, 0));
	SHOW(utimensat(AT_FDCWD, "missing", 0, 0));
	SHOW(utimensat(AT_FDCWD, "file", 0, 0));
	struct stat st;
	MUST(stat("file", &st));
	SHOW_BOOL(llabs(st.st_mtim.tv_sec - time(0)) < 5 && llabs(st.st_atim.tv_sec - time(0)) < 5);

	// Writing sets the time of modification; a folder's is that of its entries.
	struct timespec old[] = { { 1000, 0 }, { 1000, 0 } };
	MUST(utimensat(AT_FDCWD, "file", old, 0));
	MUST(utimensat(AT_FDCWD, "folder", old, 0));
	int fd = open("file", O_WRONLY);
	MUST(write(fd, "x", 1));
	close(fd);
	MUST(stat("file", &st));
	SHOW_BOOL(st.st_mtim.tv_sec > 1000);
	make_file("folder/new", "");
	MUST(stat("folder", &st));
	SHOW_BOOL(st.st_mtim.tv_sec > 1000);
}

static void others(void)
{
	struct stat st, same;
	MUST(stat("file", &st));
	printf("size %lld, links %d\n", (long long)st.st_size, (int)st.st_nlink);
	SHOW_BOOL(st.st_uid == getuid());
	SHOW_BOOL(st.st_blksize >= 512 && st.st_ino > 0);
	MUST(stat(".//folder/../file", &same));
	SHOW_BOOL(st.st_ino == same.st_ino);
	SHOW(stat("", &st));
	SHOW(fstatat(AT_FDCWD, "", &st, 0));
	SHOW(fstatat(0, "", &st, AT_EMPTY_PATH));
	SHOW_BOOL(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
	SHOW(fstat(99, &st));
	MUST(stat("/dev/zero", &st));
	SHOW_BOOL(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 5));
	struct statvfs vfs;
	SHOW(statvfs(".", &vfs));
	SHOW_BOOL(vfs.f_bsize > 0 && vfs.f_namemax == 255);
	SHOW(statvfs("missing", &vfs));
	SHOW(pathconf(".", _PC_NAME_MAX));
}

int main(void)
{
	modes();
	times();
	others();
	return 0;
}

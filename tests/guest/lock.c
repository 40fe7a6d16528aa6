// Locks on files: flock and those of fcntl, between processes.
#include "check.h"
#include <sys/file.h>

static int try_lock(int fd, short type, off_t start, off_t len)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
	return fcntl(fd, F_SETLK, &lock);
}

static int child(char **argv)
{
	int fd = open("file", O_RDWR);
	MUST(fd);
	if (!strcmp(argv[1], "flock")) {
		SHOW(flock(fd, LOCK_EX | LOCK_NB));
		SHOW(flock(fd, LOCK_SH | LOCK_NB));
		return 0;
	}
	SHOW(try_lock(fd, F_WRLCK, 0, 5));
	SHOW(try_lock(fd, F_RDLCK, 0, 5));
	SHOW(try_lock(fd, F_WRLCK, 10, 5));
	struct flock query = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 100 };
	SHOW(fcntl(fd, F_GETLK, &query));
	printf("held: type %d start %lld len %lld by parent: %s\n", query.l_type, (long long)query.l_start,
		(long long)query.l_len, query.l_pid == getppid() ? "yes" : "no");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1) return child(argv);
	make_file("file", "0123456789");
	int fd = open("file", O_RDWR), other = open("file", O_RDWR);
	MUST(fd);
	MUST(other);
	SHOW(flock(fd, LOCK_EX));
	SHOW(flock(other, LOCK_EX | LOCK_NB));
	show_end("child", start_role(argv[0], "flock", 0, 0));
	SHOW(flock(fd, LOCK_SH));
	SHOW(flock(other, LOCK_SH | LOCK_NB));
	SHOW(flock(fd, LOCK_UN));
	SHOW(flock(other, LOCK_EX | LOCK_NB));
	close(other);
	SHOW(flock(fd, LOCK_EX | LOCK_NB));
	SHOW(flock(fd, LOCK_UN));

	SHOW(try_lock(fd, F_WRLCK, 2, 4));
	SHOW(try_lock(fd, F_WRLCK, 0, 10));
	SHOW(try_lock(fd, F_UNLCK, 0, 2));
	SHOW(try_lock(fd, F_UNLCK, 6, 4));
	show_end("child", start_role(argv[0], "fcntl", 0, 0));
	// Any close of the file gives all of the process's locks up.
	other = open("file", O_RDONLY);
	close(other);
	show_end("child", start_role(argv[0], "fcntl", 0, 0));
	return 0;
}

// Regular files: ways to open, offsets, append, truncation, holes.
#include "check.h"

static void flags(void)
{
	SHOW(open("missing", O_RDONLY));
	SHOW(open("", O_RDONLY));
	SHOW_OK(open("new", O_WRONLY | O_CREAT | O_EXCL, 0600));
	SHOW(open("new", O_WRONLY | O_CREAT | O_EXCL, 0600));
	SHOW(open(".", O_WRONLY));
	SHOW(open(".", O_CREAT, 0600));
	SHOW(open("new/x", O_RDONLY));
	SHOW(open("new/", O_RDONLY));
	SHOW(open("new", O_DIRECTORY));
	char name[300];
	memset(name, 'n', sizeof name);
	name[299] = 0;
	SHOW(open(name, O_CREAT | O_WRONLY, 0600));
	name[255] = 0;
	SHOW_OK(open(name, O_CREAT | O_WRONLY, 0600));
	SHOW(unlink(name));

	int fd = open("new", O_WRONLY);
	MUST(fd);
	char c;
	SHOW(read(fd, &c, 1));
	MUST(close(fd));
	fd = open("new", O_RDONLY);
	MUST(fd);
	SHOW(write(fd, "x", 1));
	SHOW(read(fd, &c, 1));
	SHOW(ftruncate(fd, 1));
	SHOW(close(fd));
	SHOW(close(fd));
	SHOW(read(fd, &c, 1));
	SHOW(read(-1, &c, 1));
	fd = open(".", O_RDONLY);
	MUST(fd);
	SHOW(read(fd, &c, 1));
	MUST(close(fd));
	// Without access: only a handle.
	fd = open("new", O_PATH);
	MUST(fd);
	SHOW(read(fd, &c, 1));
	MUST(close(fd));
}

static void offsets(void)
{
	char buffer[16] = "";
	int fd = open("offsets", O_RDWR | O_CREAT | O_TRUNC, 0644);
	MUST(fd);
	SHOW(write(fd, "0123456789", 10));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(lseek(fd, -3, SEEK_END));
	SHOW(read(fd, buffer, 10));
	SHOW(lseek(fd, 2, SEEK_SET));
	SHOW(read(fd, buffer, 2));
	printf("[%.2s]\n", buffer);
	SHOW(lseek(fd, -5, SEEK_SET));
	SHOW(lseek(fd, -5, SEEK_CUR));
	SHOW(lseek(fd, 0, 99));
	SHOW(lseek(fd, 1LL << 33, SEEK_SET));
	SHOW(read(fd, buffer, 1));
	SHOW(pread(fd, buffer, 4, 5));
	printf("[%.4s]\n", buffer);
	SHOW(pread(fd, buffer, 4, 100));
	SHOW(pread(fd, buffer, 4, -1));
	SHOW(pwrite(fd, "AB", 2, 4));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(write(fd, "", 0));
	MUST(close(fd));
	show_file("offsets");

	// Two descriptions have two offsets; a duplicate shares one.
	int a = open("offsets", O_RDONLY), b = open("offsets", O_RDONLY), c = dup(a);
	MUST(a);
	MUST(b);
	MUST(c);
	MUST(read(a, buffer, 3));
	SHOW(lseek(b, 0, SEEK_CUR));
	SHOW(lseek(c, 0, SEEK_CUR));
	close(a);
	close(b);
	close(c);
}

static void append(void)
{
	make_file("log", "one\n");
	int fd = open("log", O_RDWR | O_APPEND);
	MUST(fd);
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(write(fd, "two\n", 4));
	SHOW(lseek(fd, 0, SEEK_SET));
	SHOW(write(fd, "three\n", 6));
	SHOW(lseek(fd, 0, SEEK_CUR));
	// Linux appends even here, whatever POSIX says.
	SHOW(pwrite(fd, "four\n", 5, 0));
	MUST(close(fd));
	show_file("log");
	fd = open("log", O_WRONLY | O_TRUNC);
	MUST(close(fd));
	show_file("log");
}

static void truncation(void)
{
	struct stat st;
	make_file("cut", "0123456789");
	SHOW(truncate("cut", 4));
	show_file("cut");
	SHOW(truncate("cut", 8));
	show_file("cut");
	SHOW(truncate("cut", -1));
	SHOW(truncate("missing", 0));
	SHOW(truncate(".", 0));

	// A hole: size without blocks, read as zeros.
	int fd = open("hole", O_RDWR | O_CREAT | O_TRUNC, 0644);
	MUST(fd);
	SHOW(pwrite(fd, "end", 3, 1 << 20));
	MUST(fstat(fd, &st));
	printf("size %lld\n", (long long)st.st_size);
	SHOW_BOOL(st.st_blocks < 128);
	char zeros[64];
	memset(zeros, 'x', sizeof zeros);
	SHOW(pread(fd, zeros, sizeof zeros, 4096 * 100));
	SHOW_BOOL(zeros[0] == 0 && zeros[63] == 0);
	SHOW(fsync(fd));
	SHOW(fdatasync(fd));
	MUST(close(fd));
}

// A removed file lives on while it is open.
static void removed(void)
{
	struct stat st;
	char buffer[8] = "";
	int fd = open("gone", O_RDWR | O_CREAT, 0644);
	MUST(fd);
	MUST(write(fd, "alive", 5));
	SHOW(unlink("gone"));
	SHOW(access("gone", F_OK));
	SHOW(pread(fd, buffer, 5, 0));
	printf("[%s]\n", buffer);
	MUST(fstat(fd, &st));
	printf("links %d\n", (int)st.st_nlink);
	MUST(close(fd));
}

// More than any buffer on the way.
static void large(void)
{
	enum { SIZE = 300000 };
	unsigned char *data = malloc(SIZE), *back = malloc(SIZE);
	for (int i = 0; i < SIZE; i++) data[i] = i * 7 + i / 251;
	int fd = open("large", O_RDWR | O_CREAT | O_TRUNC, 0644);
	MUST(fd);
	SHOW(write(fd, data, SIZE));
	MUST(lseek(fd, 0, SEEK_SET));
	SHOW(read(fd, back, SIZE));
	SHOW_BOOL(memcmp(data, back, SIZE) == 0);
	SHOW(pread(fd, back, 5000, 4090));
	SHOW_BOOL(memcmp(data + 4090, back, 5000) == 0);
	MUST(close(fd));
	free(data);
	free(back);
}

int main(void)
{
	flags();
	offsets();
	append();
	truncation();
	removed();
	large();
	return 0;
}

// Pipes: order, ends of file, SIGPIPE, O_NONBLOCK, atomic writes of PIPE_BUF bytes.
#include "check.h"
#include <limits.h>
#include <sys/ioctl.h>

static int nr_sigpipe;

static void on_sigpipe(int signal)
{
	(void)signal;
	nr_sigpipe++;
}

// A child that writes blocks of one letter, each of which must stay whole.
static int writer(const char *letter)
{
	char block[PIPE_BUF];
	memset(block, letter[0], sizeof block);
	for (int i = 0; i < 20; i++)
		if (write(1, block, sizeof block) != (ssize_t)sizeof block) return 1;
	return 0;
}

static pid_t start_writer(char *self, char *letter, int in, int out)
{
	posix_spawn_file_actions_t actions;
	char *argv[] = { self, (char *)"writer", letter, 0 };
	pid_t pid;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out, 1);
	posix_spawn_file_actions_addclose(&actions, in);
	posix_spawn_file_actions_addclose(&actions, out);
	int error = posix_spawn(&pid, self, &actions, 0, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (error) {
		printf("posix_spawn: %s\n", error_name(error));
		exit(99);
	}
	return pid;
}

// Two children write at once; their blocks do not mix.
static void atomic_writes(char *self)
{
	int p[2];
	MUST(pipe(p));
	pid_t a = start_writer(self, (char *)"a", p[0], p[1]);
	pid_t b = start_writer(self, (char *)"b", p[0], p[1]);
	MUST(close(p[1]));
	int nr_a = 0, nr_b = 0, mixed = 0;
	char block[PIPE_BUF];
	for (;;) {
		size_t got = 0;
		while (got < sizeof block) {
			ssize_t n = read(p[0], block + got, sizeof block - got);
			MUST(n);
			if (n == 0) break;
			got += n;
		}
		if (got == 0) break;
		for (size_t i = 1; i < got; i++)
			if (block[i] != block[0]) mixed++;
		if (block[0] == 'a') nr_a++;
		else nr_b++;
	}
	MUST(close(p[0]));
	printf("blocks of a: %d, of b: %d, mixed: %d\n", nr_a, nr_b, mixed);
	show_end("writer a", a);
	show_end("writer b", b);
}

int main(int argc, char **argv)
{
	if (argc > 2) return writer(argv[2]);
	int p[2], n;
	char buffer[100];

	SHOW(pipe(p));
	SHOW_BOOL(p[0] == 3 && p[1] == 4);
	SHOW(write(p[1], "hello ", 6));
	SHOW(write(p[1], "pipe", 4));
	SHOW(ioctl(p[0], FIONREAD, &n));
	printf("bytes to read: %d\n", n);
	SHOW(read(p[0], buffer, 3));
	SHOW(read(p[0], buffer, sizeof buffer));
	printf("[%.7s]\n", buffer);
	SHOW(read(p[1], buffer, 1));
	SHOW(write(p[0], "x", 1));
	SHOW(lseek(p[0], 0, SEEK_CUR));
	SHOW(pread(p[0], buffer, 1, 0));
	SHOW(ftruncate(p[1], 0));

	struct stat st;
	SHOW(fstat(p[0], &st));
	SHOW_BOOL(S_ISFIFO(st.st_mode));

	// End of file once the last writer is gone, with what was written first.
	MUST(write(p[1], "last", 4));
	MUST(close(p[1]));
	SHOW(read(p[0], buffer, sizeof buffer));
	SHOW(read(p[0], buffer, sizeof buffer));
	MUST(close(p[0]));

	// Nobody reads: the signal, and the error.
	MUST(pipe(p));
	signal(SIGPIPE, on_sigpipe);
	MUST(close(p[0]));
	SHOW(write(p[1], "x", 1));
	printf("SIGPIPE: %d\n", nr_sigpipe);
	signal(SIGPIPE, SIG_IGN);
	SHOW(write(p[1], "x", 1));
	printf("SIGPIPE: %d\n", nr_sigpipe);
	SHOW(write(p[1], "", 0));
	MUST(close(p[1]));

	// Without waiting: empty, full, and all or nothing up to PIPE_BUF.
	SHOW(pipe2(p, O_NONBLOCK | O_CLOEXEC));
	SHOW(read(p[0], buffer, 1));
	SHOW_BOOL(fcntl(p[0], F_GETFL) == (O_RDONLY | O_NONBLOCK));
	SHOW_BOOL(fcntl(p[1], F_GETFL) == (O_WRONLY | O_NONBLOCK));
	SHOW(fcntl(p[1], F_GETFD));
	static char page[PIPE_BUF];
	int total = 0;
	while ((n = write(p[1], page, sizeof page)) > 0) total += n;
	printf("full after %d: %s\n", total, error_name(errno));
	MUST(read(p[0], page, 100));
	SHOW(write(p[1], page, sizeof page));
	MUST(read(p[0], page, sizeof page));
	SHOW(write(p[1], page, sizeof page));
	SHOW(fcntl(p[1], F_GETPIPE_SZ));
	MUST(close(p[0]));
	MUST(close(p[1]));
	SHOW(pipe2(p, 0x40000000));
	SHOW(pipe(BAD_POINTER));

	atomic_writes(argv[0]);
	return 0;
}

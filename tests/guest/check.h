// What the test programs share.
//
// A program prints what system calls answer, in words that are the same on every Linux: names of
// errors, sizes, orders of events; never process ids, times or addresses. Its output on the machine
// that builds it is what the kernel is compared with. It runs in an empty folder that it may write
// to, with /dev/null as its input, and argv[0] is its own path: with a role as argv[1] it is a
// child of itself.
#ifndef CHECK_H
#define CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAYBE_UNUSED __attribute__((__unused__))

// A pointer that no process has mapped, for EFAULT.
#define BAD_POINTER ((void *)(uintptr_t)0xffffe000u)

extern char **environ;

// The name of an error number.
MAYBE_UNUSED static const char *error_name(int number)
{
	static const struct {
		int number;
		const char *name;
	} names[] = {
#define NAME(e) { e, #e }
		NAME(EPERM), NAME(ENOENT), NAME(ESRCH), NAME(EINTR), NAME(EIO), NAME(ENXIO),
		NAME(E2BIG), NAME(ENOEXEC), NAME(EBADF), NAME(ECHILD), NAME(EAGAIN), NAME(ENOMEM),
		NAME(EACCES), NAME(EFAULT), NAME(ENOTBLK), NAME(EBUSY), NAME(EEXIST), NAME(EXDEV),
		NAME(ENODEV), NAME(ENOTDIR), NAME(EISDIR), NAME(EINVAL), NAME(ENFILE), NAME(EMFILE),
		NAME(ENOTTY), NAME(ETXTBSY), NAME(EFBIG), NAME(ENOSPC), NAME(ESPIPE), NAME(EROFS),
		NAME(EMLINK), NAME(EPIPE), NAME(EDOM), NAME(ERANGE), NAME(EDEADLK),
		NAME(ENAMETOOLONG), NAME(ENOLCK), NAME(ENOSYS), NAME(ENOTEMPTY), NAME(ELOOP),
		NAME(EOVERFLOW), NAME(EOPNOTSUPP), NAME(ETIMEDOUT), NAME(ENOTSOCK), NAME(ECANCELED),
		NAME(EDESTADDRREQ), NAME(EMSGSIZE), NAME(EPROTOTYPE), NAME(ENOPROTOOPT),
		NAME(EPROTONOSUPPORT), NAME(ESOCKTNOSUPPORT), NAME(EAFNOSUPPORT), NAME(EADDRINUSE),
		NAME(ECONNRESET), NAME(EISCONN), NAME(ENOTCONN), NAME(ECONNREFUSED), NAME(ETOOMANYREFS),
#undef NAME
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (names[i].number == number) return names[i].name;
	return "E?";
}

// Prints "what: result", or the error for -1; returns the result.
MAYBE_UNUSED static long long show_result(const char *what, long long result)
{
	if (result == -1) printf("%s: %s\n", what, error_name(errno));
	else printf("%s: %lld\n", what, result);
	return result;
}

// Prints the text of a call and what it answers.
#define SHOW(call) show_result(#call, (call))

// The same, where a success has a value that differs from run to run.
#define SHOW_OK(call) \
	do { \
		errno = 0; \
		if ((call) == -1) printf("%s: %s\n", #call, error_name(errno)); \
		else printf("%s: ok\n", #call); \
	} while (0)

// Prints whether something is so.
#define SHOW_BOOL(condition) printf("%s: %s\n", #condition, (condition) ? "yes" : "no")

// Ends the program when a step on the way to what is tested fails.
#define MUST(call) \
	do { \
		if ((call) == -1) { \
			printf("%s failed: %s\n", #call, error_name(errno)); \
			exit(99); \
		} \
	} while (0)

// Starts this program in a role, with up to two more arguments and its output to a descriptor, and
// returns its process id.
MAYBE_UNUSED static pid_t start_role_to(int out, const char *self, const char *role, const char *a,
	const char *b)
{
	const char *argv[] = { self, role, a, b, 0 };
	posix_spawn_file_actions_t actions;
	pid_t pid;
	fflush(stdout);
	posix_spawn_file_actions_init(&actions);
	if (out != 1) posix_spawn_file_actions_adddup2(&actions, out, 1);
	int error = posix_spawn(&pid, self, &actions, 0, (char **)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (error) {
		printf("cannot start role %s: %s\n", role, error_name(error));
		exit(99);
	}
	return pid;
}

// The same with this program's output.
MAYBE_UNUSED static pid_t start_role(const char *self, const char *role, const char *a, const char *b)
{
	return start_role_to(1, self, role, a, b);
}

// Prints a wait status in words.
MAYBE_UNUSED static void show_status(const char *what, int status)
{
	if (WIFEXITED(status)) printf("%s: exited with %d\n", what, WEXITSTATUS(status));
	else if (WIFSIGNALED(status)) printf("%s: killed by signal %d\n", what, WTERMSIG(status));
	else if (WIFSTOPPED(status)) printf("%s: stopped by signal %d\n", what, WSTOPSIG(status));
	else if (WIFCONTINUED(status)) printf("%s: continued\n", what);
	else printf("%s: unknown status %x\n", what, (unsigned)status);
	fflush(stdout);
}

// Waits for a child and prints how it ended.
MAYBE_UNUSED static void show_end(const char *what, pid_t pid)
{
	int status;
	pid_t result;
	while ((result = waitpid(pid, &status, 0)) == -1 && errno == EINTR) {
	}
	if (result == pid) show_status(what, status);
	else printf("%s: waitpid: %s\n", what, error_name(errno));
}

// Makes a file with a text.
MAYBE_UNUSED static void make_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	MUST(fd);
	MUST(write(fd, text, strlen(text)));
	MUST(close(fd));
}

// Prints a file's contents between brackets, NUL as a dot.
MAYBE_UNUSED static void show_file(const char *path)
{
	char buffer[256];
	int fd = open(path, O_RDONLY);
	if (fd == -1) {
		printf("%s: %s\n", path, error_name(errno));
		return;
	}
	ssize_t n = read(fd, buffer, sizeof buffer - 1);
	MUST(n);
	MUST(close(fd));
	for (ssize_t i = 0; i < n; i++)
		if (!buffer[i]) buffer[i] = '.';
	buffer[n] = 0;
	printf("%s: [%s]\n", path, buffer);
}

// Sleeps for some milliseconds, whatever signals arrive.
MAYBE_UNUSED static void sleep_ms(int ms)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000L };
	while (nanosleep(&left, &left) == -1 && errno == EINTR) {
	}
}

// How many milliseconds have gone by since a moment of CLOCK_MONOTONIC.
MAYBE_UNUSED static long elapsed_ms(const struct timespec *since)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - since->tv_sec) * 1000 + (now.tv_nsec - since->tv_nsec) / 1000000;
}

#endif

/* One source for two worlds: the imports of WALI, or the same system calls of Linux on x86-64.
 *
 * A program includes this, defines `int run(int argc, char **argv)`, and makes calls by `sys_NAME`, which
 * return -errno. It prints nothing that differs from run to run. */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

int run(int argc, char **argv);
extern char **variables;

#ifdef __wasm__
#define DEFINE(name, number, types, ...) \
	__attribute__((import_module("wali"), import_name("SYS_" #name))) long sys_##name types;
#else
static inline long raw(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	__asm__ volatile("syscall" : "+a"(n) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	return n;
}
#define L(x) ((long)(x))
#define SIX(n, a, b, c, d, e, f, ...) raw(n, L(a), L(b), L(c), L(d), L(e), L(f))
#define DEFINE(name, number, types, ...) \
	static inline long sys_##name types { return SIX(number, __VA_ARGS__ __VA_OPT__(,) 0, 0, 0, 0, 0, 0, 0); }
#endif

/* Linux's structures for 64 bits, with this world's pointers. */
struct timespec { int64_t sec; long nsec; };
struct timeval { int64_t sec; long usec; };
struct itimerval { struct timeval interval, value; };
struct itimerspec { struct timespec interval, value; };
struct stat {
	uint64_t dev, ino, nlink;
	uint32_t mode, uid, gid, pad;
	uint64_t rdev;
	int64_t size;
	long blksize;
	int64_t blocks;
	struct timespec atim, mtim, ctim;
	long unused[3];
};
struct statfs { unsigned long type, bsize; uint64_t blocks, bfree, bavail, files, ffree; int fsid[2]; unsigned long namelen, frsize, flags, spare[4]; };
struct sysinfo { long uptime; unsigned long loads[3], totalram, freeram, shared, buffer, totalswap, freeswap; unsigned short procs, pad; unsigned long totalhigh, freehigh; uint32_t unit; char room[256]; };
struct rusage { struct timeval utime, stime; long maxrss, other[13], room[16]; };
struct tms { long utime, stime, cutime, cstime; };
struct rlimit { uint64_t current, maximum; };
struct utsname { char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65]; };
struct iovec { void *base; size_t len; };
struct pollfd { int fd; short events, revents; };
struct epoll_event { uint32_t events; uint64_t data; } __attribute__((packed));
struct flock { short type, whence; int64_t start, len; int pid; };
struct dirent { uint64_t ino; int64_t off; unsigned short reclen; uint8_t type; char name[]; };
struct siginfo {
	int signo, error, code, pad;
	union {
		struct { int pid, uid; union { int status; int number; }; int room; long utime, stime; };
		char all[112];
	};
};
#ifdef __wasm__
struct msghdr { void *name; uint32_t namelen; struct iovec *iov; int iovlen, pad1; void *control; uint32_t controllen; int pad2, flags; };
struct sigaction { void *handler; unsigned long flags; void *restorer; uint32_t mask[2]; } __attribute__((packed));
#else
struct msghdr { void *name; uint32_t namelen; struct iovec *iov; size_t iovlen; void *control; size_t controllen; int flags; };
struct sigaction { void *handler; unsigned long flags; void *restorer; uint32_t mask[2]; };
#endif
struct cmsghdr { uint64_t len; int level, type; };
_Static_assert(sizeof(struct stat) == 144 && sizeof(struct siginfo) == 128, "Linux's layouts");

DEFINE(read, 0, (int fd, void *buf, size_t n), fd, buf, n)
DEFINE(write, 1, (int fd, const void *buf, size_t n), fd, buf, n)
DEFINE(open, 2, (const char *path, int flags, int mode), path, flags, mode)
DEFINE(close, 3, (int fd), fd)
DEFINE(stat, 4, (const char *path, struct stat *buf), path, buf)
DEFINE(fstat, 5, (int fd, struct stat *buf), fd, buf)
DEFINE(lstat, 6, (const char *path, struct stat *buf), path, buf)
DEFINE(poll, 7, (struct pollfd *fds, unsigned long n, int timeout), fds, n, timeout)
DEFINE(lseek, 8, (int fd, int64_t offset, int whence), fd, offset, whence)
DEFINE(mmap, 9, (void *addr, size_t len, int prot, int flags, int fd, int64_t offset), addr, len, prot, flags, fd, offset)
DEFINE(munmap, 11, (void *addr, size_t len), addr, len)
DEFINE(brk, 12, (void *addr), addr)
DEFINE(rt_sigaction, 13, (int sig, struct sigaction *act, struct sigaction *old, size_t n), sig, act, old, n)
DEFINE(rt_sigprocmask, 14, (int how, const uint64_t *set, uint64_t *old, size_t n), how, set, old, n)
DEFINE(ioctl, 16, (int fd, int request, void *arg), fd, request, arg)
DEFINE(pread64, 17, (int fd, void *buf, size_t n, int64_t offset), fd, buf, n, offset)
DEFINE(pwrite64, 18, (int fd, const void *buf, size_t n, int64_t offset), fd, buf, n, offset)
DEFINE(readv, 19, (int fd, struct iovec *iov, int n), fd, iov, n)
DEFINE(writev, 20, (int fd, struct iovec *iov, int n), fd, iov, n)
DEFINE(access, 21, (const char *path, int mode), path, mode)
DEFINE(select, 23, (int n, uint64_t *r, uint64_t *w, uint64_t *e, struct timeval *t), n, r, w, e, t)
DEFINE(mremap, 25, (void *addr, size_t len, size_t size, int flags, void *to), addr, len, size, flags, to)
DEFINE(dup2, 33, (int fd, int to), fd, to)
DEFINE(nanosleep, 35, (struct timespec *t, struct timespec *left), t, left)
DEFINE(getitimer, 36, (int which, struct itimerval *t), which, t)
DEFINE(setitimer, 38, (int which, struct itimerval *t, struct itimerval *old), which, t, old)
DEFINE(getpid, 39, (void))
DEFINE(sendfile, 40, (int out, int in, int64_t *offset, size_t n), out, in, offset, n)
DEFINE(sendmsg, 46, (int fd, struct msghdr *msg, int flags), fd, msg, flags)
DEFINE(recvmsg, 47, (int fd, struct msghdr *msg, int flags), fd, msg, flags)
DEFINE(socketpair, 53, (int domain, int type, int protocol, int *fds), domain, type, protocol, fds)
DEFINE(setsockopt, 54, (int fd, int level, int option, void *value, uint32_t n), fd, level, option, value, n)
DEFINE(getsockopt, 55, (int fd, int level, int option, void *value, uint32_t *n), fd, level, option, value, n)
DEFINE(fork, 57, (void))
DEFINE(execve, 59, (const char *path, char **argv, char **envp), path, argv, envp)
DEFINE(exit, 60, (int status), status)
DEFINE(wait4, 61, (int pid, int *status, int options, struct rusage *usage), pid, status, options, usage)
DEFINE(kill, 62, (int pid, int sig), pid, sig)
DEFINE(uname, 63, (struct utsname *buf), buf)
DEFINE(fcntl, 72, (int fd, int command, unsigned long arg), fd, command, arg)
DEFINE(truncate, 76, (const char *path, int64_t len), path, len)
DEFINE(ftruncate, 77, (int fd, int64_t len), fd, len)
DEFINE(getcwd, 79, (char *buf, size_t n), buf, n)
DEFINE(chdir, 80, (const char *path), path)
DEFINE(rename, 82, (const char *from, const char *to), from, to)
DEFINE(mkdir, 83, (const char *path, int mode), path, mode)
DEFINE(rmdir, 84, (const char *path), path)
DEFINE(link, 86, (const char *from, const char *to), from, to)
DEFINE(unlink, 87, (const char *path), path)
DEFINE(symlink, 88, (const char *to, const char *path), to, path)
DEFINE(readlink, 89, (const char *path, char *buf, size_t n), path, buf, n)
DEFINE(chmod, 90, (const char *path, int mode), path, mode)
DEFINE(umask, 95, (int mask), mask)
DEFINE(gettimeofday, 96, (struct timeval *t, void *zone), t, zone)
DEFINE(getrlimit, 97, (int resource, struct rlimit *limit), resource, limit)
DEFINE(getrusage, 98, (int who, struct rusage *usage), who, usage)
DEFINE(sysinfo, 99, (struct sysinfo *info), info)
DEFINE(times, 100, (struct tms *buf), buf)
DEFINE(getppid, 110, (void))
DEFINE(rt_sigpending, 127, (uint64_t *set, size_t n), set, n)
DEFINE(rt_sigtimedwait, 128, (uint64_t *set, struct siginfo *info, struct timespec *t, size_t n), set, info, t, n)
DEFINE(rt_sigqueueinfo, 129, (int pid, int sig, struct siginfo *info), pid, sig, info)
DEFINE(statfs, 137, (const char *path, struct statfs *buf), path, buf)
DEFINE(setrlimit, 160, (int resource, struct rlimit *limit), resource, limit)
DEFINE(gettid, 186, (void))
DEFINE(time, 201, (int64_t *t), t)
DEFINE(futex, 202, (int *word, int op, int value, struct timespec *t, int *other, int value3), word, op, value, t, other, value3)
DEFINE(getdents64, 217, (int fd, void *buf, int n), fd, buf, n)
DEFINE(clock_gettime, 228, (int clock, struct timespec *t), clock, t)
DEFINE(clock_nanosleep, 230, (int clock, int flags, struct timespec *t, struct timespec *left), clock, flags, t, left)
DEFINE(exit_group, 231, (int status), status)
DEFINE(epoll_wait, 232, (int ep, struct epoll_event *events, int n, int timeout), ep, events, n, timeout)
DEFINE(epoll_ctl, 233, (int ep, int op, int fd, struct epoll_event *event), ep, op, fd, event)
DEFINE(waitid, 247, (int kind, int id, struct siginfo *info, int options, struct rusage *usage), kind, id, info, options, usage)
DEFINE(newfstatat, 262, (int dir, const char *path, struct stat *buf, int flags), dir, path, buf, flags)
DEFINE(pselect6, 270, (int n, uint64_t *r, uint64_t *w, uint64_t *e, struct timespec *t, void *mask), n, r, w, e, t, mask)
DEFINE(ppoll, 271, (struct pollfd *fds, unsigned long n, struct timespec *t, uint64_t *mask, size_t size), fds, n, t, mask, size)
DEFINE(utimensat, 280, (int dir, const char *path, struct timespec *times, int flags), dir, path, times, flags)
DEFINE(epoll_pwait, 281, (int ep, struct epoll_event *events, int n, int timeout, uint64_t *mask, size_t size), ep, events, n, timeout, mask, size)
DEFINE(timerfd_create, 283, (int clock, int flags), clock, flags)
DEFINE(timerfd_settime, 286, (int fd, int flags, struct itimerspec *t, struct itimerspec *old), fd, flags, t, old)
DEFINE(eventfd2, 290, (int value, int flags), value, flags)
DEFINE(epoll_create1, 291, (int flags), flags)
DEFINE(pipe2, 293, (int *fds, int flags), fds, flags)
DEFINE(prlimit64, 302, (int pid, int resource, struct rlimit *new, struct rlimit *old), pid, resource, new, old)
DEFINE(memfd_create, 319, (const char *name, int flags), name, flags)
DEFINE(statx, 332, (int dir, const char *path, int flags, unsigned mask, void *buf), dir, path, flags, mask, buf)

enum { RDONLY = 0, WRONLY = 1, RDWR = 2, CREAT = 0100, EXCL = 0200, TRUNC = 01000, DIRECTORY = 0200000, NONBLOCK = 04000, CLOEXEC = 02000000 };
enum { SIGHUP = 1, SIGINT = 2, SIGKILL = 9, SIGUSR1 = 10, SIGUSR2 = 12, SIGALRM = 14, SIGTERM = 15, SIGCHLD = 17, SIGRTMIN = 34 };
enum { SA_NOCLDSTOP = 1, SA_SIGINFO = 4, SA_RESTORER = 0x04000000, SA_RESTART = 0x10000000 };
/* WALI has functions from 1 on. */
#ifdef __wasm__
#define SIG_IGN ((void *)-2)
#else
#define SIG_IGN ((void *)1)
#endif
#define SA_RESETHAND 0x80000000ul
#define AT_FDCWD (-100)

static inline size_t length(const char *s)
{
	size_t n = 0;
	while (s[n]) n++;
	return n;
}

static inline int same(const char *a, const char *b)
{
	while (*a && *a == *b) a++, b++;
	return *a == *b;
}

/* What compilers call without being asked. */
void *memset(void *to, int byte, size_t n);
#ifdef __wasm__
void *memset(void *to, int byte, size_t n)
{
	for (size_t i = 0; i < n; i++) ((volatile char *)to)[i] = byte;
	return to;
}
void *memcpy(void *to, const void *from, size_t n)
{
	for (size_t i = 0; i < n; i++) ((volatile char *)to)[i] = ((const char *)from)[i];
	return to;
}
#endif

/* Prints %s, %d (a long), %o, %x and %c at once. */
static inline void say(const char *format, ...)
{
	char line[512];
	size_t n = 0;
	va_list list;
	va_start(list, format);
	for (; *format && n < sizeof line - 32; format++) {
		if (*format != '%') {
			line[n++] = *format;
			continue;
		}
		format++;
		if (*format == 's') {
			const char *s = va_arg(list, const char *);
			while (*s && n < sizeof line - 32) line[n++] = *s++;
			continue;
		}
		if (*format == 'c') {
			line[n++] = va_arg(list, int);
			continue;
		}
		long value = va_arg(list, long);
		unsigned long base = *format == 'o' ? 8 : *format == 'x' ? 16 : 10, rest = value;
		char digits[24];
		int i = 0;
		if (base == 10 && value < 0) line[n++] = '-', rest = -rest;
		do digits[i++] = "0123456789abcdef"[rest % base]; while (rest /= base);
		while (i) line[n++] = digits[--i];
	}
	va_end(list);
	sys_write(1, line, n);
}
#define SAY(expression) say("%s: %d\n", #expression, (long)(expression))

/* A buffer has room for any libc's. */
typedef long jmp_buf[40];
#ifdef __wasm__
#define JUMP(name, native, declarator, attribute) \
	__attribute__((import_module("wali"), import_name(#name), attribute)) declarator;
#else
#define JUMP(name, native, declarator, attribute) declarator __asm__(#native) __attribute__((attribute));
#endif
JUMP(setjmp, _setjmp, int setjmp(jmp_buf buf), returns_twice)
JUMP(sigsetjmp, __sigsetjmp, int sigsetjmp(jmp_buf buf, int saves_mask), returns_twice)
JUMP(longjmp, longjmp, void longjmp(jmp_buf buf, int value), noreturn)
JUMP(siglongjmp, siglongjmp, void siglongjmp(jmp_buf buf, int value), noreturn)

#ifdef __wasm__
#define ASIDE(name) __attribute__((import_module("wali"), import_name(#name)))
ASIDE(__init) int wali_init(void);
ASIDE(__deinit) int wali_deinit(void);
ASIDE(__proc_exit) void wali_exit(int status);
ASIDE(__cl_get_argc) unsigned wali_argc(void);
ASIDE(__cl_get_argv_len) unsigned wali_argv_len(unsigned i);
ASIDE(__cl_copy_argv) int wali_copy_argv(char *buf, unsigned i);
ASIDE(__get_init_envfile) int wali_envfile(char *buf, unsigned size);
ASIDE(__restore_rt) void wali_restore(void);

char **variables;

/* What a libc does: opens the file of variables, asks for its length, and maps it. */
static inline void load_variables(void)
{
	static char *list[256];
	char path[64];
	struct stat stat;
	variables = list;
	if (!wali_envfile(path, sizeof path)) return;
	int fd = sys_open(path, RDONLY, 0);
	if (fd < 0 || sys_fstat(fd, &stat) < 0 || stat.size == 0) {
		say("no file of variables: %s\n", path);
		return;
	}
	char *text = (char *)sys_mmap(0, stat.size, 3, 2, fd, 0);
	sys_close(fd);
	for (int n = 0, at = 0; at < stat.size && n < 255; n++) {
		list[n] = text + at;
		while (at < stat.size && text[at] != '\n') at++;
		text[at++] = 0;
	}
}

__attribute__((export_name("_start"))) void _start(void)
{
	static char *argv[64], text[4096];
	unsigned argc = wali_argc(), at = 0;
	wali_init();
	for (unsigned i = 0; i < argc && i < 63; i++) {
		argv[i] = text + at;
		at += wali_argv_len(i) + 1;
		wali_copy_argv(argv[i], i);
	}
	load_variables();
	int status = run(argc, argv);
	wali_deinit();
	wali_exit(status);
}

static inline long act(int sig, void *handler, unsigned long flags)
{
	struct sigaction new = {handler, flags | SA_RESTORER, (void *)wali_restore, {0, 0}};
	return sys_rt_sigaction(sig, &new, 0, 8);
}
#else
__asm__(".text\nback:\n\tmov $15, %eax\n\tsyscall\n");
void back(void);
char **variables;
int main(int argc, char **argv, char **envp)
{
	variables = envp;
	return run(argc, argv);
}

static inline long act(int sig, void *handler, unsigned long flags)
{
	struct sigaction new = {handler, flags | SA_RESTORER, (void *)back, {0, 0}};
	return sys_rt_sigaction(sig, &new, 0, 8);
}
#endif

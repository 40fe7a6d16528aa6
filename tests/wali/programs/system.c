/* Time, memory, limits, the machine: values that differ are only compared with each other. */
#include "wali.h"

int run(int argc, char **argv)
{
	struct timespec a, b, moment = {0, 2000000};
	struct timeval tv;
	int64_t t;
	(void)argc, (void)argv;
	SAY(sys_clock_gettime(0, &a));
	SAY(sys_gettimeofday(&tv, 0));
	SAY(tv.sec - a.sec < 2 && tv.usec >= 0 && tv.usec < 1000000);
	SAY(sys_time(&t) - a.sec < 2 && t - a.sec < 2 && t > 1600000000);
	SAY(sys_clock_gettime(99, &a));
	sys_clock_gettime(1, &a);
	SAY(sys_nanosleep(&moment, 0));
	sys_clock_gettime(1, &b);
	SAY((b.sec - a.sec) * 1000000000 + b.nsec - a.nsec >= 2000000);
	moment.nsec = 1000000000;
	SAY(sys_nanosleep(&moment, 0));
	moment.nsec = 1000000;
	SAY(sys_clock_nanosleep(1, 0, &moment, 0));
	struct itimerval timer = {{1000, 5}, {5000, 0}}, old;
	SAY(sys_setitimer(1, &timer, 0));
	SAY(sys_getitimer(1, &old));
	SAY(old.interval.sec == 1000 && old.value.sec >= 4990 && old.value.sec <= 5000);
	timer.value.usec = -1;
	SAY(sys_setitimer(1, &timer, 0));
	struct tms tms = {-1, -1, -1, -1};
	SAY(sys_times(&tms) > 0);
	SAY(tms.utime >= 0 && tms.utime < 1000 && tms.cutime == 0);
	struct rusage usage;
	SAY(sys_getrusage(0, &usage));
	SAY(usage.utime.sec < 10 && usage.utime.usec < 1000000 && usage.maxrss > 0);
	SAY(sys_getrusage(77, &usage));
	struct sysinfo info;
	SAY(sys_sysinfo(&info));
	SAY(info.totalram >= info.freeram && info.freeram > 0 && info.unit > 0 && info.procs > 0);
	struct utsname name;
	SAY(sys_uname(&name));
	say("%s\n", name.sysname);

	struct rlimit limit;
	SAY(sys_getrlimit(7, &limit));
	SAY(limit.current <= limit.maximum && limit.current >= 16);
	limit.current = 64;
	SAY(sys_setrlimit(7, &limit));
	SAY(sys_prlimit64(0, 7, 0, &limit));
	SAY(limit.current);
	SAY(sys_dup2(1, 64));
	SAY(sys_getrlimit(99, &limit));

	char *p = (char *)sys_mmap(0, 8192, 3, 0x22, -1, 0);
	SAY(((uintptr_t)p & 4095) == 0 && p != 0);
	p[0] = 1, p[8191] = 2;
	SAY(p[4096] + p[8191]);
	p = (char *)sys_mremap(p, 8192, 65536, 1, 0);
	SAY(((uintptr_t)p & 4095) == 0 && p[0] == 1 && p[8191] == 2 && p[65535] == 0);
	SAY(sys_munmap(p, 65536));
	SAY(sys_munmap((char *)1, 4096));
	int file = sys_memfd_create("mapped", 0);
	sys_ftruncate(file, 12288);
	sys_pwrite64(file, "second page", 11, 4096);
	p = (char *)sys_mmap(0, 4096, 1, 2, file, 4096);
	say("%s\n", p);
	SAY(sys_mmap(0, 4096, 1, 2, file, 1));
	SAY(sys_mmap(0, 0, 1, 2, file, 0));
	SAY(sys_mmap(0, 4096, 1, 2, 99, 0));
	long end = sys_brk(0);
	SAY(sys_brk((void *)(end + 4096)) == end + 4096);
	((char *)end)[4095] = 3;
	return 0;
}

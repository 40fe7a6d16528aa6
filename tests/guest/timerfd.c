// timerfd: once, in intervals, at a point in time, disarmed, what is left, errors, readiness.
#include "check.h"
#include <poll.h>
#include <sys/timerfd.h>

static struct itimerspec spec(long value_ms, long interval_ms)
{
	struct itimerspec s = { { interval_ms / 1000, interval_ms % 1000 * 1000000 },
		{ value_ms / 1000, value_ms % 1000 * 1000000 } };
	return s;
}

static long long ms(const struct timespec *t)
{
	return t->tv_sec * 1000LL + t->tv_nsec / 1000000;
}

static long long ticks(int fd)
{
	uint64_t count = 0;
	ssize_t n = read(fd, &count, sizeof count);
	if (n == -1) return -1;
	return n == 8 ? (long long)count : -2;
}

static int is_ready(int fd, int timeout)
{
	struct pollfd entry = { fd, POLLIN, 0 };
	return poll(&entry, 1, timeout) == 1 && entry.revents == POLLIN;
}

static long long since(const struct timespec *start)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return ms(&now) - ms(start);
}

int main(void)
{
	struct itimerspec s, old;
	struct timespec start;

	printf("-- errors\n");
	SHOW(timerfd_create(77, 0));
	SHOW(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
	SHOW(timerfd_create(CLOCK_MONOTONIC_RAW, 0));
	SHOW(timerfd_create(CLOCK_MONOTONIC, 1));
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	SHOW_BOOL(fd >= 0);
	SHOW(fcntl(fd, F_GETFD));
	SHOW_BOOL(fcntl(fd, F_GETFL) == (O_RDWR | O_NONBLOCK));
	s = spec(10, 0);
	SHOW(timerfd_settime(fd, 4, &s, 0));
	SHOW(timerfd_settime(0, 0, &s, 0));
	SHOW(timerfd_settime(99, 0, &s, 0));
	s.it_value.tv_nsec = 1000000000;
	SHOW(timerfd_settime(fd, 0, &s, 0));
	s = spec(10, 0);
	s.it_interval.tv_nsec = -1;
	SHOW(timerfd_settime(fd, 0, &s, 0));
	s = spec(0, 0);
	s.it_value.tv_sec = -1;
	SHOW(timerfd_settime(fd, 0, &s, 0));
	SHOW(timerfd_gettime(0, &s));
	SHOW(timerfd_gettime(fd, BAD_POINTER));
	char small[7];
	SHOW(read(fd, small, sizeof small));
	SHOW(write(fd, "12345678", 8));

	printf("-- once\n");
	SHOW(ticks(fd));
	SHOW(timerfd_gettime(fd, &s));
	SHOW_BOOL(!ms(&s.it_value) && !ms(&s.it_interval));
	s = spec(300, 0);
	clock_gettime(CLOCK_MONOTONIC, &start);
	SHOW(timerfd_settime(fd, 0, &s, &old));
	SHOW_BOOL(!old.it_value.tv_sec && !old.it_value.tv_nsec);
	SHOW(is_ready(fd, 0));
	SHOW(ticks(fd));
	timerfd_gettime(fd, &s);
	SHOW_BOOL(ms(&s.it_value) <= 300 && (s.it_value.tv_sec || s.it_value.tv_nsec));
	SHOW(is_ready(fd, 5000));
	SHOW_BOOL(since(&start) >= 299);
	SHOW(is_ready(fd, 0));
	SHOW(ticks(fd));
	SHOW(is_ready(fd, 0));
	SHOW(ticks(fd));
	timerfd_gettime(fd, &s);
	SHOW_BOOL(!s.it_value.tv_sec && !s.it_value.tv_nsec);

	printf("-- in intervals\n");
	fcntl(fd, F_SETFL, 0);
	s = spec(20, 10);
	clock_gettime(CLOCK_MONOTONIC, &start);
	SHOW(timerfd_settime(fd, 0, &s, 0));
	long long count = ticks(fd);
	SHOW_BOOL(count >= 1 && count <= 1 + (since(&start) - 20) / 10 + 1);
	while (count < 8) count += ticks(fd);
	SHOW_BOOL(since(&start) >= 85);
	timerfd_gettime(fd, &s);
	SHOW(ms(&s.it_interval));
	SHOW_BOOL(ms(&s.it_value) <= 10);
	sleep_ms(55);
	SHOW_BOOL(ticks(fd) >= 5);

	printf("-- set again\n");
	sleep_ms(25);
	s = spec(100000, 2000);
	SHOW(timerfd_settime(fd, 0, &s, &old));
	SHOW(ms(&old.it_interval));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	SHOW(ticks(fd));
	s = spec(0, 10);
	SHOW(timerfd_settime(fd, 0, &s, &old));
	SHOW(ms(&old.it_interval));
	SHOW_BOOL(ms(&old.it_value) > 90000 && ms(&old.it_value) <= 100000);
	SHOW(is_ready(fd, 30));
	timerfd_gettime(fd, &s);
	SHOW_BOOL(!s.it_value.tv_sec && !s.it_value.tv_nsec);

	printf("-- at a point in time\n");
	clock_gettime(CLOCK_MONOTONIC, &start);
	s = spec(0, 0);
	s.it_value = start;
	SHOW(timerfd_settime(fd, TFD_TIMER_ABSTIME, &s, 0));
	SHOW(ticks(fd));
	s.it_value.tv_sec += 1;
	SHOW(timerfd_settime(fd, TFD_TIMER_ABSTIME, &s, 0));
	SHOW(is_ready(fd, 0));
	SHOW(is_ready(fd, 5000));
	SHOW_BOOL(since(&start) >= 999);
	clock_gettime(CLOCK_MONOTONIC, &start);
	s.it_value = start;
	s.it_value.tv_sec -= 1;
	s.it_interval.tv_nsec = 100000000;
	SHOW(timerfd_settime(fd, TFD_TIMER_ABSTIME, &s, 0));
	count = ticks(fd);
	SHOW_BOOL(count >= 11 && count <= 11 + since(&start) / 100 + 1);
	int wall = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
	clock_gettime(CLOCK_REALTIME, &s.it_value);
	s.it_interval = spec(0, 0).it_interval;
	SHOW(timerfd_settime(wall, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &s, 0));
	SHOW(ticks(wall));
	SHOW_OK(timerfd_create(CLOCK_BOOTTIME, 0));

	printf("-- many expirations\n");
	s = spec(0, 0);
	s.it_value.tv_nsec = s.it_interval.tv_nsec = 1000;
	SHOW(timerfd_settime(fd, 0, &s, 0));
	sleep_ms(20);
	SHOW_BOOL(ticks(fd) >= 19000);

	printf("-- fdinfo\n");
	s = spec(100000, 1000);
	MUST(timerfd_settime(fd, 0, &s, 0));
	char path[40], line[80];
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	FILE *info = fopen(path, "r");
	while (info && fgets(line, sizeof line, info))
		if (!strncmp(line, "clockid", 7) || !strncmp(line, "ticks", 5) ||
			!strncmp(line, "settime", 7) || !strncmp(line, "it_interval", 11))
			fputs(line, stdout);
	return 0;
}

/* Clocks, sleeps and poll(). Spans are printed as whether they are plausible. */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static long long now_ms(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

int main(void) {
  struct timespec time;
  printf("after 2024: %d\n", now_ms(CLOCK_REALTIME) > 1704067200000LL);
  SHOW(clock_getres(CLOCK_MONOTONIC, &time));
  printf("resolution: %d\n", time.tv_sec == 0 && time.tv_nsec > 0);
  long long start = now_ms(CLOCK_MONOTONIC);
  SHOW(usleep(30000));
  long long slept = now_ms(CLOCK_MONOTONIC) - start;
  printf("slept: %d\n", slept >= 29 && slept < 5000);
  time = (struct timespec){.tv_nsec = 20000000};
  SHOW(nanosleep(&time, NULL));
  SHOW(sched_yield());
  time = (struct timespec){.tv_nsec = 1000000000};
  SHOW(nanosleep(&time, NULL));
  clock_gettime(CLOCK_REALTIME, &time);
  time.tv_sec -= 5;
  SHOW(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &time, NULL));

  int fd;
  SHOW_FD(fd, open("file", O_CREAT | O_RDWR, 0644));
  SHOW(write(fd, "abc", 3));
  SHOW(lseek(fd, 0, SEEK_SET));
  struct pollfd entry = {.fd = fd, .events = POLLIN};
  SHOW(poll(&entry, 1, 1000));
  printf("%d %d\n", (entry.revents & POLLIN) != 0, (entry.revents & POLLOUT) != 0);
  entry = (struct pollfd){.fd = 1, .events = POLLOUT};
  SHOW(poll(&entry, 1, -1));
  printf("%d\n", (entry.revents & POLLOUT) != 0);
  start = now_ms(CLOCK_MONOTONIC);
  SHOW(poll(NULL, 0, 25));
  printf("waited: %d\n", now_ms(CLOCK_MONOTONIC) - start >= 24);
  return 0;
}

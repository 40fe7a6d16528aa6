/* The older interface: other numbers for whence, other structures. It has no libc of its own here. */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define IMPORT(name) __attribute__((import_module("wasi_unstable"), import_name(#name))) u32 name
IMPORT(fd_write)(u32 fd, const void *iovs, u32 count, u32 *done);
IMPORT(fd_read)(u32 fd, const void *iovs, u32 count, u32 *done);
IMPORT(fd_seek)(u32 fd, long long distance, u32 whence, u64 *offset);
IMPORT(fd_filestat_get)(u32 fd, void *status);
IMPORT(fd_filestat_set_times)(u32 fd, u64 atim, u64 mtim, u32 flags);
IMPORT(fd_prestat_get)(u32 fd, void *prestat);
IMPORT(path_open)(u32 fd, u32 lookup, const char *path, u32 len, u32 how, u64 rights,
                  u64 inheriting, u32 flags, u32 *opened);
IMPORT(path_filestat_get)(u32 fd, u32 lookup, const char *path, u32 len, void *status);
IMPORT(path_filestat_set_times)(u32 fd, u32 lookup, const char *path, u32 len, u64 atim, u64 mtim,
                                u32 flags);
IMPORT(path_link)(u32 old, u32 lookup, const char *path, u32 len, u32 new, const char *to,
                  u32 to_len);
IMPORT(poll_oneoff)(const void *subscriptions, void *events, u32 count, u32 *ready);
IMPORT(clock_time_get)(u32 clock, u64 precision, u64 *time);
__attribute__((import_module("wasi_unstable"), import_name("proc_exit"), noreturn)) void
proc_exit(u32 status);

static void put(const char *text, u32 len) {
  const void *iov[2] = {text, (const void *)len};
  u32 done;
  fd_write(1, iov, 1, &done);
}

static void show(const char *what, u64 value) {
  char line[64];
  u32 len = 0, end = sizeof line;
  while (what[len]) len++;
  put(what, len);
  line[--end] = '\n';
  do line[--end] = '0' + value % 10;
  while (value /= 10);
  line[--end] = ' ';
  put(line + end, sizeof line - end);
}

static u64 at(const u8 *bytes, u32 offset, u32 len) {
  u64 value = 0;
  while (len--) value = value << 8 | bytes[offset + len];
  return value;
}

/* Size 56: links in 32 bits at 20, and everything behind them 8 bytes earlier. */
static void show_status(const u8 *status) {
  show("type", at(status, 16, 1));
  show("links", at(status, 20, 4));
  show("size", at(status, 24, 8));
  show("atim", at(status, 32, 8));
  show("mtim", at(status, 40, 8));
  show("behind", at(status, 56, 8));
}

void _start(void) {
  u8 status[64], events[64];
  u32 fd = 0, done = 0;
  u64 offset = 0, time = 0;
  show("prestat", fd_prestat_get(4, status));
  show("open", path_open(4, 0, "old", 3, 1, 0x42, 0x42, 0, &fd));
  const void *iov[2] = {"0123456789", (const void *)10};
  show("write", fd_write(fd, iov, 1, &done));
  show("seek CUR", fd_seek(fd, -4, 0, &offset));
  show("offset", offset);
  show("seek END", fd_seek(fd, -1, 1, &offset));
  show("offset", offset);
  show("seek SET", fd_seek(fd, 2, 2, &offset));
  show("offset", offset);
  show("times", fd_filestat_set_times(fd, 1000000001, 2000000002, 5));
  for (u32 i = 0; i < 64; i++) status[i] = 9;
  show("filestat", fd_filestat_get(fd, status));
  show_status(status);
  show("link", path_link(4, 0, "old", 3, 4, "new", 3));
  show("times", path_filestat_set_times(4, 0, "new", 3, 3000000003, 4000000004, 5));
  show("filestat", path_filestat_get(4, 0, "new", 3, status));
  show_status(status);
  show("none", path_filestat_get(4, 0, "none", 4, status));
  show("clock", clock_time_get(1, 0, &time));
  /* A subscription of 56 bytes: the clock's id is at 24, its timeout at 32. */
  u8 wanted[56];
  for (u32 i = 0; i < sizeof wanted; i++) wanted[i] = 0;
  wanted[0] = 7;
  wanted[24] = 1;
  wanted[32 + 2] = 100;
  show("sleep", poll_oneoff(wanted, events, 1, &done));
  show("events", done);
  show("userdata", at(events, 0, 8));
  show("type", at(events, 10, 1));
  proc_exit(5);
}

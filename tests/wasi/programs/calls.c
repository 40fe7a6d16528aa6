/* The functions themselves, with what libc never asks of them. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wasi/api.h>

#include "check.h"

#define CALL(call) printf("%s: %d\n", #call, (int)(call))

static __wasi_fd_t base;

static __wasi_fd_t make(const char *path, __wasi_oflags_t how, __wasi_rights_t rights,
                        __wasi_fdflags_t flags) {
  __wasi_fd_t fd = 12345;
  __wasi_errno_t error = __wasi_path_open(base, 0, path, how, rights, rights, flags, &fd);
  printf("path_open %s %d %llx %d: %d\n", path, how, (unsigned long long)rights, flags, error);
  return fd;
}

static void status(__wasi_fd_t fd) {
  __wasi_fdstat_t stat;
  memset(&stat, 0, sizeof stat);
  int error = __wasi_fd_fdstat_get(fd, &stat);
  printf("fdstat: %d, type %d, flags %d, rights %llx, inheriting %llx\n", error,
         stat.fs_filetype, stat.fs_flags, (unsigned long long)stat.fs_rights_base,
         (unsigned long long)stat.fs_rights_inheriting);
}

static void filestat(__wasi_fd_t fd) {
  __wasi_filestat_t stat;
  memset(&stat, 0, sizeof stat);
  int error = __wasi_fd_filestat_get(fd, &stat);
  printf("filestat: %d, type %d, links %d, size %d, atim %llu, mtim %llu\n", error,
         stat.filetype, (int)stat.nlink, (int)stat.size,
         (unsigned long long)(stat.atim < 4000000000000000ull ? stat.atim : 1),
         (unsigned long long)(stat.mtim < 4000000000000000ull ? stat.mtim : 1));
}

int main(void) {
  __wasi_prestat_t prestat;
  char name[64] = {0};
  CALL(__wasi_fd_prestat_get(3, &prestat));
  printf("%d %d\n", prestat.tag, (int)prestat.u.dir.pr_name_len);
  CALL(__wasi_fd_prestat_dir_name(3, (uint8_t *)name, prestat.u.dir.pr_name_len));
  printf("%s\n", name);
  CALL(__wasi_fd_prestat_dir_name(3, (uint8_t *)name, 0));
  CALL(__wasi_fd_prestat_get(4, &prestat));
  CALL(__wasi_fd_prestat_dir_name(4, (uint8_t *)name, prestat.u.dir.pr_name_len));
  printf("%s\n", name);
  CALL(__wasi_fd_prestat_get(1, &prestat));
  CALL(__wasi_fd_prestat_dir_name(1, (uint8_t *)name, 64));
  CALL(__wasi_fd_prestat_get(9999, &prestat));
  base = 4;
  status(0);
  status(1);
  status(3);
  status(4);
  status(9999);

  __wasi_rights_t both = __WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_WRITE;
  __wasi_fd_t fd = make("f", __WASI_OFLAGS_CREAT, both, 0);
  status(fd);
  filestat(fd);
  __wasi_ciovec_t out = {(const uint8_t *)"0123456789", 10};
  __wasi_size_t count = 0;
  CALL(__wasi_fd_write(fd, &out, 1, &count));
  printf("%d\n", (int)count);
  CALL(__wasi_fd_pwrite(fd, &out, 1, 5, &count));
  __wasi_filesize_t offset = 77;
  CALL(__wasi_fd_tell(fd, &offset));
  printf("%d\n", (int)offset);
  CALL(__wasi_fd_seek(fd, 1, __WASI_WHENCE_SET, &offset));
  CALL(__wasi_fd_seek(fd, 1, __WASI_WHENCE_CUR, &offset));
  printf("%d\n", (int)offset);
  CALL(__wasi_fd_seek(fd, -1, __WASI_WHENCE_END, &offset));
  printf("%d\n", (int)offset);
  CALL(__wasi_fd_seek(fd, -1, __WASI_WHENCE_SET, &offset));
  CALL(__wasi_fd_seek(0, 0, __WASI_WHENCE_CUR, &offset));
  CALL(__wasi_fd_seek(3, 0, __WASI_WHENCE_CUR, &offset));
  CALL(__wasi_fd_tell(1, &offset));
  CALL(__wasi_fd_tell(9999, &offset));
  uint8_t bytes[64];
  __wasi_iovec_t in = {bytes, 4};
  CALL(__wasi_fd_pread(fd, &in, 1, 13, &count));
  printf("%d %.*s\n", (int)count, (int)count, bytes);
  CALL(__wasi_fd_pread(0, &in, 1, 0, &count));
  CALL(__wasi_fd_pread(3, &in, 1, 0, &count));
  CALL(__wasi_fd_pwrite(1, &out, 1, 0, &count));
  CALL(__wasi_fd_read(3, &in, 1, &count));
  CALL(__wasi_fd_write(3, &out, 1, &count));
  CALL(__wasi_fd_write(9999, &out, 1, &count));
  CALL(__wasi_fd_filestat_set_size(fd, 3));
  CALL(__wasi_fd_filestat_set_size(3, 3));
  CALL(__wasi_fd_filestat_set_times(fd, 1000000007, 2000000009,
                                    __WASI_FSTFLAGS_ATIM | __WASI_FSTFLAGS_MTIM));
  filestat(fd);
  CALL(__wasi_fd_filestat_set_times(fd, 1, 2, __WASI_FSTFLAGS_ATIM | __WASI_FSTFLAGS_ATIM_NOW));
  CALL(__wasi_path_filestat_set_times(base, 0, "f", 3000000000, 0, __WASI_FSTFLAGS_ATIM));
  filestat(fd);
  CALL(__wasi_path_filestat_set_times(base, 0, "none", 3, 0, __WASI_FSTFLAGS_ATIM));
  CALL(__wasi_fd_advise(fd, 0, 0, __WASI_ADVICE_WILLNEED));
  CALL(__wasi_fd_advise(3, 0, 0, __WASI_ADVICE_NORMAL));
  CALL(__wasi_fd_sync(3));
  CALL(__wasi_fd_datasync(fd));
  CALL(__wasi_fd_fdstat_set_flags(fd, __WASI_FDFLAGS_APPEND));
  status(fd);
  CALL(__wasi_fd_fdstat_set_flags(fd, __WASI_FDFLAGS_SYNC));
  CALL(__wasi_fd_fdstat_set_flags(3, 0));
  CALL(__wasi_fd_fdstat_set_rights(fd, 0, 0));
  CALL(__wasi_fd_fdstat_set_rights(9999, 0, 0));
  status(fd);

  __wasi_fd_t read_only = make("f", 0, __WASI_RIGHTS_FD_READ, 0);
  status(read_only);
  CALL(__wasi_fd_write(read_only, &out, 1, &count));
  __wasi_fd_t write_only = make("f", 0, __WASI_RIGHTS_FD_WRITE, __WASI_FDFLAGS_APPEND);
  status(write_only);
  CALL(__wasi_fd_read(write_only, &in, 1, &count));
  __wasi_fd_t nothing = make("f", 0, 0, __WASI_FDFLAGS_NONBLOCK);
  status(nothing);
  CALL(__wasi_fd_renumber(read_only, write_only));
  CALL(__wasi_fd_read(write_only, &in, 1, &count));
  CALL(__wasi_fd_read(read_only, &in, 1, &count));
  CALL(__wasi_fd_renumber(write_only, 9999));
  CALL(__wasi_fd_renumber(9999, write_only));
  CALL(__wasi_fd_renumber(nothing, nothing));
  CALL(__wasi_fd_close(nothing));
  CALL(__wasi_fd_close(nothing));
  CALL(make("f", 0, both, 0) == nothing);

  CALL(__wasi_path_create_directory(base, "d"));
  make("d", __WASI_OFLAGS_DIRECTORY, both, 0);
  __wasi_fd_t dir = make("d", __WASI_OFLAGS_DIRECTORY, __WASI_RIGHTS_FD_READ, 0);
  status(dir);
  make("d", __WASI_OFLAGS_DIRECTORY | __WASI_OFLAGS_CREAT, both, 0);
  make("f", __WASI_OFLAGS_DIRECTORY, __WASI_RIGHTS_FD_READ, 0);
  make("f", __WASI_OFLAGS_TRUNC, __WASI_RIGHTS_FD_READ, 0);
  make("f", __WASI_OFLAGS_CREAT | __WASI_OFLAGS_EXCL, both, 0);
  make("d/../f", 0, __WASI_RIGHTS_FD_READ, 0);
  make("../f", 0, __WASI_RIGHTS_FD_READ, 0);
  make("/f", 0, __WASI_RIGHTS_FD_READ, 0);
  make("f/", 0, __WASI_RIGHTS_FD_READ, 0);
  __wasi_fd_t opened;
  CALL(__wasi_path_open(fd, 0, "x", 0, both, both, 0, &opened));
  CALL(__wasi_path_open(9999, 0, "x", 0, both, both, 0, &opened));
  CALL(__wasi_path_create_directory(fd, "x"));
  CALL(__wasi_path_unlink_file(9999, "x"));
  CALL(__wasi_path_link(base, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, "f", base, "g"));
  CALL(__wasi_path_link(base, 0, "f", base, "g"));
  CALL(__wasi_path_symlink("/f", base, "absolute"));
  CALL(__wasi_path_open(base, 0, "\xff\xfe", 0, both, both, 0, &opened));

  /* One entry at a time, by its cookie, and a record that does not fit. */
  CALL(__wasi_path_create_directory(base, "d/sub"));
  uint64_t cookie = 0;
  int entries = 0;
  for (;;) {
    CALL(__wasi_fd_readdir(dir, bytes, 30, cookie, &count));
    if (count < sizeof(__wasi_dirent_t)) break;
    __wasi_dirent_t entry;
    memcpy(&entry, bytes, sizeof entry);
    printf("used %d, name %d bytes, type %d\n", (int)count, (int)entry.d_namlen, entry.d_type);
    cookie = entry.d_next;
    if (++entries > 9) break;
  }
  CALL(__wasi_fd_readdir(dir, bytes, 10, 0, &count));
  printf("%d\n", (int)count);
  CALL(__wasi_fd_readdir(fd, bytes, 30, 0, &count));
  CALL(__wasi_fd_readdir(dir, bytes, 64, 100, &count));
  printf("%d\n", (int)count);

  __wasi_timestamp_t time;
  CALL(__wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 0, &time));
  CALL(__wasi_poll_oneoff((void *)bytes, (void *)bytes, 0, &count));
  __wasi_subscription_t wanted[3];
  __wasi_event_t events[3];
  memset(wanted, 0, sizeof wanted);
  memset(events, 0, sizeof events);
  wanted[0].userdata = 11;
  wanted[0].u.tag = __WASI_EVENTTYPE_CLOCK;
  wanted[0].u.u.clock.id = __WASI_CLOCKID_MONOTONIC;
  wanted[0].u.u.clock.timeout = 60000000000ull;
  wanted[1].userdata = 22;
  wanted[1].u.tag = __WASI_EVENTTYPE_FD_WRITE;
  wanted[1].u.u.fd_write.file_descriptor = fd;
  wanted[2].userdata = 33;
  wanted[2].u.tag = __WASI_EVENTTYPE_CLOCK;
  wanted[2].u.u.clock.id = __WASI_CLOCKID_REALTIME;
  wanted[2].u.u.clock.flags = __WASI_SUBCLOCKFLAGS_SUBSCRIPTION_CLOCK_ABSTIME;
  CALL(__wasi_poll_oneoff(wanted, events, 2, &count));
  printf("%d: %d %d %d\n", (int)count, (int)events[0].userdata, events[0].type, events[0].error);
  CALL(__wasi_poll_oneoff(wanted + 2, events, 1, &count));
  printf("%d: %d %d %d\n", (int)count, (int)events[0].userdata, events[0].type, events[0].error);
  wanted[1].u.u.fd_write.file_descriptor = 9999;
  CALL(__wasi_poll_oneoff(wanted, events, 2, &count));

  uint8_t chance[2][32] = {{0}};
  CALL(__wasi_random_get(chance[0], 32));
  CALL(__wasi_random_get(chance[1], 32));
  CALL(memcmp(chance[0], chance[1], 32) != 0);
  CALL(__wasi_random_get(chance[0], 0));
  __wasi_roflags_t roflags;
  CALL(__wasi_sock_recv(fd, &in, 1, 0, &count, &roflags));
  CALL(__wasi_sock_send(fd, &out, 1, 0, &count));
  CALL(__wasi_sock_shutdown(fd, __WASI_SDFLAGS_RD));
  CALL(__wasi_sock_shutdown(9999, __WASI_SDFLAGS_RD));
  CALL(__wasi_fd_close(0));
  CALL(__wasi_fd_read(0, &in, 1, &count));
  fflush(stdout);
  __wasi_proc_exit(7);
}

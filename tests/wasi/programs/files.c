/* Bytes: opening, reading, writing, offsets, sizes, names of files. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "check.h"

static void show_file(const char *path) {
  char bytes[256];
  int fd = open(path, O_RDONLY);
  if (fd < 0) {
    printf("%s: %s\n", path, strerror(errno));
    return;
  }
  ssize_t count = read(fd, bytes, sizeof bytes);
  printf("%s (%zd): ", path, count);
  for (ssize_t i = 0; i < count; i++)
    bytes[i] >= ' ' ? putchar(bytes[i]) : printf("\\%d", bytes[i]);
  putchar('\n');
  close(fd);
}

static void show_stat(const char *path) {
  struct stat status;
  if (stat(path, &status) < 0)
    printf("stat %s: %s\n", path, strerror(errno));
  else
    printf("stat %s: size %lld, links %d, regular %d, directory %d\n", path,
           S_ISDIR(status.st_mode) ? 0 : (long long)status.st_size,
           (int)status.st_nlink, S_ISREG(status.st_mode) != 0,
           S_ISDIR(status.st_mode) != 0);
}

int main(void) {
  int fd, other;
  char bytes[64] = {0};
  SHOW_FD(fd, open("a", O_RDONLY));
  SHOW_FD(fd, open("a", O_RDWR | O_CREAT | O_EXCL, 0644));
  SHOW_FD(other, open("a", O_RDWR | O_CREAT | O_EXCL, 0644));
  SHOW(write(fd, "hello, world", 12));
  SHOW(lseek(fd, 0, SEEK_CUR));
  SHOW(lseek(fd, 7, SEEK_SET));
  SHOW(read(fd, bytes, 3));
  printf("%s\n", bytes);
  SHOW(lseek(fd, -2, SEEK_END));
  SHOW(lseek(fd, -100, SEEK_CUR));
  SHOW(lseek(fd, 4, SEEK_CUR));
  SHOW(write(fd, "!", 1));
  SHOW(pread(fd, bytes, 5, 0));
  printf("%.5s\n", bytes);
  SHOW(pread(fd, bytes, 5, 1000));
  SHOW(pwrite(fd, "HELLO", 5, 0));
  SHOW(lseek(fd, 0, SEEK_CUR));
  show_file("a");
  struct iovec parts[2] = {{"one ", 4}, {"two", 3}};
  SHOW(lseek(fd, 0, SEEK_SET));
  SHOW(writev(fd, parts, 1));
  SHOW(ftruncate(fd, 6));
  show_file("a");
  SHOW(ftruncate(fd, 9));
  show_file("a");
  SHOW(ftruncate(fd, -1));
  SHOW(fsync(fd));
  SHOW(fdatasync(fd));
  SHOW(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
  SHOW(close(fd));
  SHOW(close(fd));
  SHOW(read(fd, bytes, 1));

  SHOW_FD(fd, open("a", O_WRONLY | O_APPEND));
  SHOW(write(fd, "end", 3));
  SHOW(lseek(fd, 0, SEEK_CUR));
  SHOW(lseek(fd, 0, SEEK_SET));
  SHOW(write(fd, ".", 1));
  SHOW(read(fd, bytes, 1));
  SHOW(fcntl(fd, F_GETFL) & O_APPEND ? 1 : 0);
  SHOW(fcntl(fd, F_SETFL, 0));
  SHOW(fcntl(fd, F_GETFL) & O_APPEND ? 1 : 0);
  SHOW(pwrite(fd, "X", 1, 2));
  SHOW(close(fd));
  show_file("a");

  SHOW_FD(fd, open("a", O_RDONLY));
  SHOW(write(fd, "x", 1));
  SHOW(ftruncate(fd, 0));
  SHOW(close(fd));
  SHOW_FD(fd, open("a", O_WRONLY | O_TRUNC));
  SHOW(close(fd));
  show_stat("a");

  SHOW(mkdir("d", 0755));
  SHOW(rename("a", "d/b"));
  show_stat("a");
  show_stat("d/b");
  show_stat("d");
  show_stat("d/b/c");
  SHOW(rename("a", "d/c"));
  SHOW(rename("d/b", "d"));
  SHOW(link("d/b", "e"));
  SHOW(link("d", "f"));
  show_stat("e");
  SHOW(unlink("d/b"));
  show_stat("e");
  SHOW(unlink("d"));
  SHOW(unlink("gone"));
  SHOW(unlink("e/"));
  SHOW_FD(fd, open("e/", O_RDONLY));
  SHOW_FD(fd, open("d", O_WRONLY));
  SHOW_FD(fd, open("e", O_RDONLY | O_DIRECTORY));
  SHOW_FD(fd, open("e/x", O_RDONLY));
  SHOW_FD(fd, open("", O_RDONLY));
  SHOW_FD(fd, open("d", O_RDONLY | O_DIRECTORY));
  SHOW(read(fd, bytes, 1));
  SHOW(lseek(fd, 0, SEEK_SET));
  SHOW_FD(other, openat(fd, "new", O_CREAT | O_RDWR, 0600));
  SHOW(write(other, "data", 4));
  SHOW(close(other));
  SHOW(close(fd));
  show_file("d/new");

  char name[300];
  memset(name, 'n', sizeof name);
  name[299] = 0;
  SHOW(mkdir(name, 0755) < 0 ? errno == ENAMETOOLONG : -2);
  SHOW(truncate("d/new", 2));
  show_file("d/new");
  SHOW(access("d/new", F_OK));
  SHOW(access("d/none", F_OK));
  SHOW(isatty(0));

  /* Blocks at a distance: a hole between them. */
  SHOW_FD(fd, open("big", O_CREAT | O_RDWR, 0644));
  SHOW(pwrite(fd, "x", 1, 3000000));
  SHOW(pread(fd, bytes, 4, 2999998));
  printf("%d %d %c\n", bytes[0], bytes[1], bytes[2]);
  show_stat("big");
  SHOW(close(fd));
  SHOW(unlink("big"));

  FILE *stream = fopen("lines", "w+");
  for (int i = 0; i < 1000; i++) fprintf(stream, "line %d\n", i);
  printf("%ld\n", ftell(stream));
  fseek(stream, 2890, SEEK_SET);
  printf("%s", fgets(name, sizeof name, stream));
  fclose(stream);
  show_stat("lines");
  return 0;
}

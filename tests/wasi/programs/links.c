/* Symbolic links, and paths that lead out of their directory. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static void show_link(const char *path) {
  char target[64];
  ssize_t len = readlink(path, target, sizeof target);
  if (len < 0)
    printf("readlink %s: %s\n", path, strerror(errno));
  else
    printf("readlink %s: %.*s\n", path, (int)len, target);
}

static void show_stat(const char *path) {
  struct stat status;
  if (stat(path, &status) < 0)
    printf("stat %s: %s\n", path, strerror(errno));
  else
    printf("stat %s: %lld\n", path,
           S_ISDIR(status.st_mode) ? 0 : (long long)status.st_size);
  if (lstat(path, &status) < 0)
    printf("lstat %s: %s\n", path, strerror(errno));
  else
    printf("lstat %s: link %d, %lld\n", path, S_ISLNK(status.st_mode) != 0,
           S_ISDIR(status.st_mode) ? 0 : (long long)status.st_size);
}

int main(void) {
  int fd;
  char bytes[8] = {0};
  SHOW(mkdir("d", 0755));
  SHOW_FD(fd, open("d/file", O_CREAT | O_WRONLY, 0644));
  SHOW(write(fd, "12345", 5));
  SHOW(close(fd));
  SHOW(symlink("d/file", "link"));
  SHOW(symlink("file", "d/link"));
  SHOW(symlink("nowhere", "dangling"));
  SHOW(symlink("loop", "loop"));
  SHOW(symlink("../x", "d/up"));
  SHOW(symlink("..", "d/parent"));
  SHOW(symlink("../../outside", "d/out"));
  SHOW(symlink("link", "link"));
  SHOW(symlink("", "empty"));
  show_link("link");
  show_link("dangling");
  show_link("loop");
  show_link("d");
  show_link("d/file");
  show_link("none");
  SHOW(readlink("link", bytes, 3));
  printf("%.3s\n", bytes);
  show_stat("link");
  show_stat("d/link");
  show_stat("dangling");
  show_stat("loop");
  show_stat("d/parent/link");
  show_stat("d/out");
  show_stat("d/../d/./file");
  show_stat("d/../../d/file");
  show_stat("..");
  show_stat("d/..");
  SHOW_FD(fd, open("link", O_RDONLY));
  SHOW(read(fd, bytes, 8));
  SHOW(close(fd));
  SHOW_FD(fd, open("link", O_RDONLY | O_NOFOLLOW));
  SHOW_FD(fd, open("loop", O_RDONLY));
  SHOW_FD(fd, open("dangling", O_RDONLY));
  SHOW_FD(fd, open("d/out", O_RDONLY));
  SHOW_FD(fd, open("d/out", O_CREAT | O_WRONLY, 0644));
  SHOW_FD(fd, open("../escape", O_CREAT | O_WRONLY, 0644));
  SHOW_FD(fd, open("dangling", O_CREAT | O_WRONLY, 0644));
  SHOW(close(fd));
  show_stat("nowhere");
  SHOW(mkdir("../escape", 0755));
  SHOW(rename("nowhere", "../escape"));
  SHOW(unlink("../escape"));
  SHOW(link("link", "hard"));
  show_stat("hard");
  SHOW(rename("link", "renamed"));
  show_stat("renamed");
  SHOW(unlink("renamed"));
  SHOW(unlink("loop"));
  show_stat("d/file");
  return 0;
}

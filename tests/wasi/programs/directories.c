/* Directories: making, listing, removing. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The order of a listing is the file system's own. */
static void list(const char *path) {
  DIR *dir = opendir(path);
  if (!dir) {
    printf("opendir %s: %s\n", path, strerror(errno));
    return;
  }
  char *names[1024];
  int count = 0, types[16] = {0};
  struct dirent *entry;
  while ((entry = readdir(dir)) && count < 1024) {
    names[count++] = strdup(entry->d_name);
    types[entry->d_type & 15]++;
  }
  rewinddir(dir);
  int again = 0;
  while (readdir(dir)) again++;
  closedir(dir);
  qsort(names, count, sizeof *names, by_name);
  printf("%s: %d, again %d, directories %d, files %d, links %d:", path, count,
         again, types[DT_DIR & 15], types[DT_REG & 15], types[DT_LNK & 15]);
  for (int i = 0; i < count && i < 12; i++) printf(" %s", names[i]);
  putchar('\n');
  for (int i = 0; i < count; i++) free(names[i]);
}

int main(void) {
  list(".");
  SHOW(mkdir("d", 0755));
  SHOW(mkdir("d", 0755));
  SHOW(mkdir("d/e", 0755));
  SHOW(mkdir("x/y", 0755));
  SHOW(mkdir("d/.", 0755));
  SHOW(symlink("e", "d/l"));
  close(open("d/f", O_CREAT | O_WRONLY, 0644));
  list("d");
  list("d/e");
  list("d/l");
  list("d/f");
  list("none");
  SHOW(rmdir("d"));
  SHOW(rmdir("d/f"));
  SHOW(rmdir("d/l"));
  SHOW(rmdir("none"));
  SHOW(rename("d/e", "d/e2"));
  SHOW(rename("d/f", "d/e2"));
  SHOW(rename("d/e2", "d/f"));
  SHOW(rename("d", "d/e2/d"));
  list("d");
  SHOW(mkdir("many", 0755));
  char name[64];
  for (int i = 0; i < 300; i++) {
    snprintf(name, sizeof name, "many/a rather long name for a file %03d", i);
    close(open(name, O_CREAT | O_WRONLY, 0644));
  }
  list("many");
  for (int i = 0; i < 300; i++) {
    snprintf(name, sizeof name, "many/a rather long name for a file %03d", i);
    if (unlink(name) < 0) perror(name);
  }
  list("many");
  SHOW(rmdir("many"));
  SHOW(unlink("d/f"));
  SHOW(unlink("d/l"));
  SHOW(rmdir("d/e2"));
  SHOW(rmdir("d"));
  list(".");
  return 0;
}

/* Arguments, the environment, and the status of the end. */
#include <stdlib.h>

#include "check.h"

int main(int argc, char **argv) {
  printf("%d arguments\n", argc);
  for (int i = 1; i < argc; i++) printf("[%s]\n", argv[i]);
  printf("argv ends with null: %d\n", argv[argc] == NULL);
  const char *names[] = {"NAME", "EMPTY", "EQUALS", "MISSING"};
  for (int i = 0; i < 4; i++) {
    const char *value = getenv(names[i]);
    printf("%s=%s\n", names[i], value ? value : "(none)");
  }
  return argc > 1 ? atoi(argv[1]) : 0;
}

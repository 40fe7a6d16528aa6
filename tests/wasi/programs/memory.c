/* Memory: what a module may grow to, and what malloc() makes of it. Compiled with 3 pages, and 8 at most. */
#include <stdlib.h>

#include "check.h"

#define GROW(pages) ((long)__builtin_wasm_memory_grow(0, (pages)))
#define SIZE() ((long)__builtin_wasm_memory_size(0))

int main(void) {
  printf("%ld\n", SIZE());
  printf("%ld\n", GROW(0));
  printf("%ld\n", GROW(2));
  printf("%ld\n", GROW(100));
  printf("%ld\n", SIZE());
  unsigned char *end = (unsigned char *)(SIZE() * 65536 - 1);
  printf("%d\n", *end);
  *end = 7;
  char *block = malloc(100000);
  printf("%d\n", block != NULL);
  printf("%d\n", malloc(1000000) != NULL);
  free(block);
  printf("%ld %d\n", GROW(1) >= 0 ? 1L : -1L, *end);
  printf("%ld\n", GROW(65536));
  printf("%d\n", SIZE() <= 8);
  return 0;
}

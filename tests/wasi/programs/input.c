/* Standard input to its end: bytes that come in pieces. */
#include <unistd.h>

#include "check.h"

int main(void) {
  unsigned long long sum = 0;
  long total = 0;
  char bytes[1000];
  ssize_t count;
  while ((count = read(0, bytes, sizeof bytes)) > 0) {
    total += count;
    for (ssize_t i = 0; i < count; i++) sum = sum * 31 + (unsigned char)bytes[i];
  }
  printf("%ld bytes, %llx\n", total, sum);
  fprintf(stderr, "to standard error\n");
  return count < 0;
}

/* What the programs of this folder share: each line they print is compared with the oracle's. */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Prints what a call returned, and errno if that is -1. */
#define SHOW(call)                                                             \
  do {                                                                         \
    errno = 0;                                                                 \
    long long result_ = (long long)(call);                                     \
    if (result_ == -1)                                                         \
      printf("%s: %s\n", #call, strerror(errno));                              \
    else                                                                       \
      printf("%s = %lld\n", #call, result_);                                   \
  } while (0)

/* The same for a call whose result is a new descriptor: its number is nobody's business. */
#define SHOW_FD(fd, call)                                                      \
  do {                                                                         \
    errno = 0;                                                                 \
    fd = (call);                                                               \
    printf("%s: %s\n", #call, fd < 0 ? strerror(errno) : "open");              \
  } while (0)

#endif

/* qsort() calls the program's comparison itself. musl goes through a function with the arguments
 * of qsort_r()'s, which have the type of a FILE's read and write: as far as types tell, printf()
 * could then call whatever a program sorts with, and all that looks like it. The loader writes
 * what may lead to fork() anew, and that would be half of a shell. */
#define _BSD_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "atomic.h"
#include "libc.h"

typedef int (*comparison)(const void *, const void *);

/* musl's algorithm, once more, under a name of this file. */
static void sort(void *, size_t, size_t, int (*)(const void *, const void *, void *), void *);
#undef weak_alias
#define weak_alias(old, new)
#define __qsort_r static sort
#define cmp(a, b, arg) ((comparison)(arg))(a, b)
#include "../qsort.c"
#undef cmp

void qsort(void *base, size_t nel, size_t width, comparison cmp)
{
	sort(base, nel, width, 0, (void *)cmp);
}

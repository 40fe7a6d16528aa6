#include <string.h>

/* See memcpy.c. */
void *memset(void *d, int c, size_t n)
{
	if (n >= 16) {
		__asm__ volatile ("local.get %0\n\tlocal.get %1\n\tlocal.get %2\n\tmemory.fill 0"
			:: "r"(d), "r"(c), "r"(n) : "memory");
		return d;
	}
	for (char *to = d; n--;) *to++ = c;
	return d;
}

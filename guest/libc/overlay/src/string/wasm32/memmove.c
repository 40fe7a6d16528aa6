#include <string.h>

/* See memcpy.c. */
void *memmove(void *d, const void *s, size_t n)
{
	if (n >= 16) {
		__asm__ volatile ("local.get %0\n\tlocal.get %1\n\tlocal.get %2\n\tmemory.copy 0, 0"
			:: "r"(d), "r"(s), "r"(n) : "memory");
		return d;
	}
	char *to = d;
	const char *from = s;
	if (to < from) while (n--) *to++ = *from++;
	else while (n--) to[n] = from[n];
	return d;
}

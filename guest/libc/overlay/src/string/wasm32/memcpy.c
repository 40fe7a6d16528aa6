#include <string.h>

/* The engine's copy pays off from about 16 bytes. */
void *memcpy(void *restrict d, const void *restrict s, size_t n)
{
	if (n >= 16) {
		__asm__ volatile ("local.get %0\n\tlocal.get %1\n\tlocal.get %2\n\tmemory.copy 0, 0"
			:: "r"(d), "r"(s), "r"(n) : "memory");
		return d;
	}
	char *to = d;
	const char *from = s;
	while (n--) *to++ = *from++;
	return d;
}

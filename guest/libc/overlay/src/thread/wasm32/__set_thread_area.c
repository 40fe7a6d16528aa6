#include "pthread_impl.h"

__asm__(
	".globaltype __wasm_thread_pointer, i32\n"
	".globl __wasm_thread_pointer\n"
	"__wasm_thread_pointer:\n");

int __set_thread_area(void *p)
{
	__asm__ volatile ("local.get %0\n\tglobal.set __wasm_thread_pointer" :: "r"(p));
	return 0;
}

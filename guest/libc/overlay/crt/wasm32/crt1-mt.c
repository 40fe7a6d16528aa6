/* The entry of a program with threads: only in a module with shared memory does the linker know
 * the size of thread-local storage. libc.a refers to these two weakly. */
#include "crt1.c"

void __wasm_init_tls(void *);

void __wasm_tls_layout(unsigned *size, unsigned *align)
{
	*size = __builtin_wasm_tls_size();
	*align = __builtin_wasm_tls_align();
}

void __wasm_tls_start(void *block)
{
	if (__builtin_wasm_tls_size()) __wasm_init_tls(block);
}

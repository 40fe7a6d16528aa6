/* The thread pointer is a global variable of the module: each thread is an instance of its own. */
__asm__(".globaltype __wasm_thread_pointer, i32\n");

static inline uintptr_t __get_tp(void)
{
	uintptr_t tp;
	__asm__ ("global.get __wasm_thread_pointer\n\tlocal.set %0" : "=r"(tp));
	return tp;
}

/* No handler can see a program counter. */
#define MC_PC __pc

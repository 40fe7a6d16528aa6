/* The entry of a program: `_start(p)`, where p is Linux's initial stack image in memory: argc,
 * argv..., 0, envp..., 0, auxv..., 0. The kernel has lowered __stack_pointer below it. */
int __main_void(void);
int __libc_start_main(int (*)(int, char **, char **), int, char **,
	void (*)(void), void (*)(void), void (*)(void));

/* For __main_void in libc.a. */
int __wasm_argc;
char **__wasm_argv;

static int start_main(int argc, char **argv, char **envp)
{
	__wasm_argc = argc;
	__wasm_argv = argv;
	return __main_void();
}

__attribute__((__export_name__("_start"))) void _start(long *p)
{
	__libc_start_main(start_main, p[0], (char **)(p + 1), 0, 0, 0);
}

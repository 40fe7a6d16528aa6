/* The entry of a program: `_start(p)`, where p is Linux's initial stack image in memory: argc,
 * argv..., 0, envp..., 0, auxv..., 0. The kernel has lowered __stack_pointer below it. */
int __libc_start_main(int (*)(int, char **, char **), int, char **,
	void (*)(void), void (*)(void), void (*)(void));

/* For __main_void in libc.a, by which libc calls the program's main. */
int __wasm_argc;
char **__wasm_argv;

__attribute__((__export_name__("_start"))) void _start(long *p)
{
	__wasm_argc = p[0];
	__wasm_argv = (char **)(p + 1);
	__libc_start_main(0, __wasm_argc, __wasm_argv, 0, 0, 0);
}

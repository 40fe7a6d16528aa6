/* clang gives main a name for each prototype: __main_void, __main_argc_argv, main (three
 * arguments). libc calls the first; here and in the next file each leads on to the next. The
 * references are strong, so that a main that lies in an archive is linked too. */
extern int __wasm_argc;
extern char **__wasm_argv;
int __main_argc_argv(int, char **);

__attribute__((__weak__)) int __main_void(void)
{
	return __main_argc_argv(__wasm_argc, __wasm_argv);
}

/* See __main_void.c. */
extern char **__environ;
int __wasm_main3(int, char **, char **) __asm__("main");

__attribute__((__weak__)) int __main_argc_argv(int argc, char **argv)
{
	return __wasm_main3(argc, argv, __environ);
}

_Noreturn void __wasm_longjmp(void *, int);

_Noreturn void longjmp(void *env, int value)
{
	__wasm_longjmp(env, value);
}

_Noreturn void _longjmp(void *env, int value)
{
	__wasm_longjmp(env, value);
}

/* What LLVM's lowering of setjmp calls (-wasm-enable-sjlj): a longjmp is an exception, and each
 * function that calls setjmp catches it and asks whether it is meant. The state is in jmp_buf. */
#include <stdint.h>

struct jump {
	void *function;   /* the invocation that called setjmp, by an address in its frame */
	uint32_t label;   /* which of its calls */
	struct {
		void *env;
		int value;
	} thrown;
};

/* The tag that the lowering throws and catches. */
__asm__(".globl __c_longjmp\n.tagtype __c_longjmp i32\n__c_longjmp:\n");

void __wasm_setjmp(void *env, uint32_t label, void *function)
{
	struct jump *j = env;
	j->function = function;
	j->label = label;
}

uint32_t __wasm_setjmp_test(void *env, void *function)
{
	struct jump *j = env;
	return j->function == function ? j->label : 0;
}

_Noreturn void __wasm_longjmp(void *env, int value)
{
	struct jump *j = env;
	j->thrown.env = env;
	j->thrown.value = value ? value : 1;
	__builtin_wasm_throw(1, &j->thrown);
}

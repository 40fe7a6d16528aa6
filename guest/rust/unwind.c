// What the standard library's backtraces call: here there is never a frame to see, because a
// WebAssembly program cannot read its own stack.
typedef int (*trace_fn)(void *context, void *argument);

// _URC_END_OF_STACK
int _Unwind_Backtrace(trace_fn trace, void *argument)
{
	(void)trace;
	(void)argument;
	return 5;
}

unsigned long _Unwind_GetIP(void *context)
{
	(void)context;
	return 0;
}

unsigned long _Unwind_GetCFA(void *context)
{
	(void)context;
	return 0;
}

void *_Unwind_FindEnclosingFunction(void *pc)
{
	(void)pc;
	return 0;
}

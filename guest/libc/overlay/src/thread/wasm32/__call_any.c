#include "any_type.h"

/* Two for each parameter, and one for a result. The loader answers it from the module's types. */
__attribute__((import_module("linux"), import_name("__function_shape")))
int __function_shape(void *f);

enum { NO_PARAM, NO_PARAM_RESULT, PARAM, PARAM_RESULT };

void *__call_any(void *f, void *x, int is_void)
{
	int shape = __function_shape(f);

	if (shape > PARAM_RESULT) shape = is_void ? PARAM : PARAM_RESULT;
	switch (shape) {
	case NO_PARAM:
		((void (*)(void))f)();
		return 0;
	case NO_PARAM_RESULT:
		return ((void *(*)(void))f)();
	case PARAM:
		((void (*)(void *))f)(x);
		return 0;
	default:
		return ((void *(*)(void *))f)(x);
	}
}

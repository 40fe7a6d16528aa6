#include "any_type.h"

/* The loader answers it from the module's types. */
__attribute__((import_module("linux"), import_name("__function_shape")))
int __function_shape(void *f);

void *__call_any(void *f, void *x, int shape)
{
	int known = __function_shape(f);

	switch (known <= SHAPE_PARAM_RESULT ? known : shape) {
	case SHAPE_NO_PARAM:
		((void (*)(void))f)();
		return 0;
	case SHAPE_NO_PARAM_RESULT:
		return ((void *(*)(void))f)();
	case SHAPE_PARAM:
		((void (*)(void *))f)(x);
		return 0;
	default:
		return ((void *(*)(void *))f)(x);
	}
}

/* Calls a program's function whatever its type is: one without a prototype, `void *work()`, may be
 * called with an argument in C, and what it returns may be left alone. WebAssembly traps where types differ. */
#ifndef _INTERNAL_ANY_TYPE_H
#define _INTERNAL_ANY_TYPE_H

#include <features.h>

/* Two for each parameter, and one for a result, as the loader tells them. */
enum { SHAPE_NO_PARAM, SHAPE_NO_PARAM_RESULT, SHAPE_PARAM, SHAPE_PARAM_RESULT };

/* f(x); 0 if f returns nothing. `shape` is for what the loader knows no type of. */
hidden void *__call_any(void *f, void *x, int shape);

#endif

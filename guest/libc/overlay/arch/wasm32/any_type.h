/* Calls a program's function whatever its type is: one without a prototype, `void *work()`, may be
 * called with an argument in C, and what it returns may be left alone. WebAssembly traps where types differ. */
#ifndef _INTERNAL_ANY_TYPE_H
#define _INTERNAL_ANY_TYPE_H

#include <features.h>

/* f(x); 0 if f returns nothing. `is_void` is for what the kernel knows no type of. */
hidden void *__call_any(void *f, void *x, int is_void);

#endif

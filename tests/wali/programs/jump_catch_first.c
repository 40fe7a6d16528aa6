/* The same with exceptions of the first form: a module has one. */
#define FIRST_FORM
#include "jump_catch.c"

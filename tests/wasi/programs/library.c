/* Not a program: it is compiled as a library, without `_start`. */
#include <stdio.h>

__attribute__((export_name("greet"))) int greet(void) { return puts("hello"); }

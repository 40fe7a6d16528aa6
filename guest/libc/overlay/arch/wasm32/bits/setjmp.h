/* The helpers in src/setjmp/wasm32/setjmp.c use four words; the rest is room to grow. */
typedef unsigned long __jmp_buf[16];

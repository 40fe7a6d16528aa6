/* The entry function is C: see crt/wasm32/crt1.c. */

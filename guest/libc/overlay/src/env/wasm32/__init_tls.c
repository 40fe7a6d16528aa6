/* Thread-local storage: the linker lays out the main thread's; the block of a new thread lies
 * behind its struct pthread, and its dtv says where. */
#define SYSCALL_NO_TLS 1
#include <stddef.h>
#include "pthread_impl.h"
#include "libc.h"
#include "syscall.h"

volatile int __thread_list_lock;

static struct pthread main_thread;

/* In crt1-mt.o, which programs with shared memory are linked with. */
extern weak void __wasm_tls_layout(size_t *size, size_t *align);

int __init_tp(void *p)
{
	pthread_t td = p;
	td->self = td;
	__set_thread_area(td);
	libc.can_do_threads = 1;
	td->detach_state = DT_JOINABLE;
	td->tid = __syscall(SYS_set_tid_address, &__thread_list_lock);
	td->locale = &libc.global_locale;
	td->robust_list.head = &td->robust_list.head;
	td->next = td->prev = td;
	return 0;
}

void *__copy_tls(unsigned char *mem)
{
	pthread_t td = (void *)(((uintptr_t)mem + 15) & -16);
	td->dtv = (void *)(((uintptr_t)(td + 1) + libc.tls_align - 1) & -libc.tls_align);
	return td;
}

static void static_init_tls(size_t *aux)
{
	size_t size = 0, align = 16;
	if (__wasm_tls_layout) __wasm_tls_layout(&size, &align);
	libc.tls_align = align < 16 ? 16 : align;
	libc.tls_size = sizeof(struct pthread) + size + libc.tls_align + 16;
	__init_tp(&main_thread);
}

weak_alias(static_init_tls, __init_tls);

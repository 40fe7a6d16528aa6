/* System calls are imported functions, one for each call: `linux.__syscall_<name>`, all words
 * 32 bits. A constant number folds to one direct call, so that a module imports what it uses and
 * no more; any other number goes to `linux.__syscall`. The declarations and the switch are
 * generated from the kernel's table. */

/* A 64-bit argument is two words, low then high, and needs no even position. */
#define __SYSCALL_LL_E(x) \
	((union { long long ll; long l[2]; }){ .ll = x }).l[0], \
	((union { long long ll; long l[2]; }){ .ll = x }).l[1]
#define __SYSCALL_LL_O(x) __SYSCALL_LL_E((x))

#include "wasm_syscalls.h"

#define __WASM_SYSCALL(n, a, b, c, d, e, f) \
	(__builtin_constant_p(n) ? __wasm_syscall_known(n, a, b, c, d, e, f) \
	                         : __wasm_syscall_any(n, a, b, c, d, e, f))
#define __WASM_INLINE static inline __attribute__((__always_inline__))

__WASM_INLINE long __syscall0(long n)
{
	return __WASM_SYSCALL(n, 0, 0, 0, 0, 0, 0);
}

__WASM_INLINE long __syscall1(long n, long a)
{
	return __WASM_SYSCALL(n, a, 0, 0, 0, 0, 0);
}

__WASM_INLINE long __syscall2(long n, long a, long b)
{
	return __WASM_SYSCALL(n, a, b, 0, 0, 0, 0);
}

__WASM_INLINE long __syscall3(long n, long a, long b, long c)
{
	return __WASM_SYSCALL(n, a, b, c, 0, 0, 0);
}

__WASM_INLINE long __syscall4(long n, long a, long b, long c, long d)
{
	return __WASM_SYSCALL(n, a, b, c, d, 0, 0);
}

__WASM_INLINE long __syscall5(long n, long a, long b, long c, long d, long e)
{
	return __WASM_SYSCALL(n, a, b, c, d, e, 0);
}

__WASM_INLINE long __syscall6(long n, long a, long b, long c, long d, long e, long f)
{
	return __WASM_SYSCALL(n, a, b, c, d, e, f);
}

/* Cancellation points: src/internal/syscall.h wraps the direct call in these two, so that it
 * stays direct. They do nothing until pthread_cancel is linked. */
long __wasm_cp_begin(long nr);
long __wasm_cp_end(long nr, long result);
#define __WASM_INLINE_CP 1

/* There are no calls with 32-bit time. musl's fallbacks on them must compile, and are dead code
 * when both names have one number. */
#define SYS_clock_gettime32 SYS_clock_gettime64
#define SYS_clock_settime32 SYS_clock_settime64
#define SYS_clock_getres_time32 SYS_clock_getres_time64
#define SYS_clock_nanosleep_time32 SYS_clock_nanosleep_time64
#define SYS_timer_gettime32 SYS_timer_gettime64
#define SYS_timer_settime32 SYS_timer_settime64
#define SYS_timerfd_gettime32 SYS_timerfd_gettime64
#define SYS_timerfd_settime32 SYS_timerfd_settime64
#define SYS_gettimeofday_time32 -1
#define SYS_nanosleep -1
#define SYS_getrlimit -1
#define SYS_setrlimit -1

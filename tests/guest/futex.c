// futex(2) by itself: values, timeouts, bit sets, requeueing, FUTEX_WAKE_OP, what is refused; the
// word that a thread's end clears, and the atomic operations that threads share memory with.
#include "check.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>

static uint32_t word, other;
static atomic_int nr_waiting, nr_woken;

static long futex(uint32_t *address, int operation, uint32_t value, void *timeout, uint32_t *address2,
		uint32_t value3)
{
#ifdef SYS_futex_time64
	return syscall(SYS_futex_time64, address, operation, value, timeout, address2, value3);
#else
	return syscall(SYS_futex, address, operation, value, timeout, address2, value3);
#endif
}

struct times {
	int64_t seconds, nanoseconds;
};

static struct times in_ms(clockid_t clock, int ms)
{
	struct timespec now;
	clock_gettime(clock, &now);
	int64_t at = now.tv_sec * 1000000000LL + now.tv_nsec + ms * 1000000LL;
	return (struct times){ at / 1000000000, at % 1000000000 };
}

static void *wait_private(void *argument)
{
	uint32_t bits = (uint32_t)(uintptr_t)argument;
	nr_waiting++;
	long result = futex(&word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 0, 0, 0, bits);
	if (result != 0) printf("wait: %s\n", error_name(errno));
	nr_woken++;
	return 0;
}

// Starts waiters with these bits, and waits until they wait.
static void start_waiters(pthread_t *threads, const uint32_t *bits, int count)
{
	nr_waiting = nr_woken = 0;
	for (int i = 0; i < count; i++)
		pthread_create(&threads[i], 0, wait_private, (void *)(uintptr_t)bits[i]);
	while (nr_waiting < count) sched_yield();
	sleep_ms(100);
}

static void join_all(pthread_t *threads, int count)
{
	for (int i = 0; i < count; i++) pthread_join(threads[i], 0);
	printf("woken: %d\n", nr_woken);
}

static void test_values(void)
{
	struct times none = { 0, 0 }, some = { 0, 20000000 }, wrong = { 0, 1000000000 };
	word = 1;
	SHOW(futex(&word, FUTEX_WAIT, 2, 0, 0, 0));
	SHOW(futex(&word, FUTEX_WAIT, 1, &none, 0, 0));
	SHOW(futex(&word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1, &some, 0, 0));
	SHOW(futex(&word, FUTEX_WAIT, 1, &wrong, 0, 0));
	SHOW(futex((uint32_t *)((char *)&word + 1), FUTEX_WAIT, 1, &none, 0, 0));
	SHOW(futex(BAD_POINTER, FUTEX_WAIT, 1, &none, 0, 0));
	SHOW(futex(&word, FUTEX_WAIT_BITSET, 1, 0, 0, 0));
	SHOW(futex(&word, FUTEX_WAKE_BITSET, 1, 0, 0, 0));
	SHOW(futex(&word, FUTEX_WAKE, 1, 0, 0, 0));
	struct times past = in_ms(CLOCK_MONOTONIC, -5), soon = in_ms(CLOCK_MONOTONIC, 20);
	SHOW(futex(&word, FUTEX_WAIT_BITSET, 1, &past, 0, ~0u));
	SHOW(futex(&word, FUTEX_WAIT_BITSET, 1, &soon, 0, ~0u));
	soon = in_ms(CLOCK_REALTIME, 20);
	SHOW(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 1, &soon, 0, ~0u));
	SHOW(futex(&word, 99, 1, 0, 0, 0));
	SHOW(futex(&word, FUTEX_REQUEUE, (uint32_t)-1, 0, &other, 0));
}

static void test_wake(void)
{
	pthread_t threads[4];
	const uint32_t any[] = { ~0u, ~0u, ~0u, ~0u }, bits[] = { 1, 2, 4, 3 };
	word = 0;
	start_waiters(threads, any, 4);
	// Who waits privately is not woken otherwise.
	SHOW(futex(&word, FUTEX_WAKE, 2, 0, 0, 0));
	SHOW(futex(&word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 2, 0, 0, 0));
	SHOW(futex(&word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 0, 0, 0, 0));
	SHOW(futex(&word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 100, 0, 0, 0));
	SHOW(futex(&word, FUTEX_WAKE, 1, 0, 0, 0));
	join_all(threads, 4);

	start_waiters(threads, bits, 4);
	SHOW(futex(&word, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, 100, 0, 0, 8));
	SHOW(futex(&word, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, 100, 0, 0, 2));
	SHOW(futex(&word, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, 100, 0, 0, 5));
	join_all(threads, 4);
}

static void test_requeue(void)
{
	pthread_t threads[4];
	const uint32_t any[] = { ~0u, ~0u, ~0u, ~0u };
	const int private = FUTEX_PRIVATE_FLAG;
	word = other = 0;
	start_waiters(threads, any, 4);
	SHOW(futex(&word, FUTEX_CMP_REQUEUE | private, 1, (void *)2, &other, 7));
	SHOW(futex(&word, FUTEX_CMP_REQUEUE | private, 1, (void *)2, &other, 0));
	SHOW(futex(&other, FUTEX_WAKE | private, 1, 0, 0, 0));
	SHOW(futex(&word, FUTEX_REQUEUE | private, 0, (void *)100, &other, 0));
	SHOW(futex(&word, FUTEX_WAKE | private, 100, 0, 0, 0));
	SHOW(futex(&other, FUTEX_WAKE | private, 100, 0, 0, 0));
	join_all(threads, 4);
}

static void test_wake_op(void)
{
	pthread_t threads[2];
	const uint32_t any[] = { ~0u, ~0u };
	const int private = FUTEX_PRIVATE_FLAG;
	word = 0;
	other = 5;
	start_waiters(threads, any, 2);
	SHOW(futex(&other, FUTEX_WAKE_OP | private, 1, (void *)1, &word, FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_GT, 0)));
	printf("word: %u\n", word);
	SHOW(futex(&other, FUTEX_WAKE_OP | private, 1, (void *)1, &word, FUTEX_OP(FUTEX_OP_XOR, 1, FUTEX_OP_CMP_EQ, 3)));
	printf("word: %u\n", word);
	SHOW(futex(&word, FUTEX_WAKE_OP | private, 1, (void *)1, &other, FUTEX_OP((FUTEX_OP_SET | FUTEX_OP_OPARG_SHIFT), 4, FUTEX_OP_CMP_LT, 0)));
	printf("other: %u\n", other);
	join_all(threads, 2);
}

static void on_signal(int number)
{
	(void)number;
}

static void *wait_with_timeout(void *argument)
{
	struct times long_time = { 100, 0 };
	nr_waiting++;
	long result = futex(&word, FUTEX_WAIT, 0, argument ? &long_time : 0, 0, 0);
	show_result("interrupted", result);
	nr_woken++;
	return 0;
}

static void test_interruption(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	pthread_t thread;
	word = 0;
	for (int restart = 0; restart < 2; restart++) {
		nr_waiting = nr_woken = 0;
		action.sa_flags = restart ? SA_RESTART : 0;
		MUST(sigaction(SIGUSR1, &action, 0));
		// A wait with a timeout is not made again.
		pthread_create(&thread, 0, wait_with_timeout, restart ? &word : 0);
		while (!nr_waiting) sched_yield();
		// One that comes before the wait is handled, and that is all.
		while (!nr_woken) {
			sleep_ms(20);
			pthread_kill(thread, SIGUSR1);
		}
		pthread_join(thread, 0);
	}
	nr_waiting = 0;
	pthread_create(&thread, 0, wait_with_timeout, 0);
	while (!nr_waiting) sched_yield();
	sleep_ms(100);
	pthread_kill(thread, SIGUSR1);
	sleep_ms(100);
	long nr_found;
	while ((nr_found = futex(&word, FUTEX_WAKE, 1, 0, 0, 0)) == 0) sleep_ms(10);
	pthread_join(thread, 0);
	printf("still waiting: %ld\n", nr_found);
}

// Ping-pong by raw futexes and atomics.
static atomic_uint ball;

static void *play(void *argument)
{
	uint32_t mine = (uint32_t)(uintptr_t)argument;
	for (int i = 0; i < 2000; i++) {
		uint32_t seen;
		while ((seen = ball) % 2 != mine) futex((uint32_t *)&ball, FUTEX_WAIT, seen, 0, 0, 0);
		ball++;
		futex((uint32_t *)&ball, FUTEX_WAKE, 1, 0, 0, 0);
	}
	return 0;
}

static void test_ping_pong(void)
{
	pthread_t threads[2];
	for (uintptr_t i = 0; i < 2; i++) pthread_create(&threads[i], 0, play, (void *)i);
	for (int i = 0; i < 2; i++) pthread_join(threads[i], 0);
	printf("ball: %u\n", ball);
}

static _Atomic uint64_t sum64;
static atomic_uchar sum8;

static void *add(void *argument)
{
	(void)argument;
	for (int i = 0; i < 10000; i++) {
		sum64 += 0x100000001;
		sum8++;
	}
	return 0;
}

static void test_atomics(void)
{
	pthread_t threads[4];
	for (int i = 0; i < 4; i++) pthread_create(&threads[i], 0, add, 0);
	for (int i = 0; i < 4; i++) pthread_join(threads[i], 0);
	printf("sums: %llx %x\n", (unsigned long long)sum64, (unsigned)sum8);
}

static void test_robust_list(void)
{
	char head[64];
	void *found = 0;
	size_t len = 0;
	SHOW(syscall(SYS_set_robust_list, head, 1));
	SHOW(syscall(SYS_get_robust_list, 0, &found, &len));
	SHOW_BOOL(len == 3 * sizeof(void *));
	SHOW(syscall(SYS_get_robust_list, 0x3fffffff, &found, &len));
}

int main(void)
{
	test_values();
	test_wake();
	test_requeue();
	test_wake_op();
	test_interruption();
	test_ping_pong();
	test_atomics();
	test_robust_list();
	return 0;
}

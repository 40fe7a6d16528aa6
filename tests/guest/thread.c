// Threads: pthread_create(3), join, detach, mutexes, conditions, barriers, read-write locks, keys
// and thread-local storage, cancellation, signals to threads, and the end of a process whose other
// threads wait. With a role in argv[1] it is a child of itself.
#include "check.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define THREADS 8

static pid_t gettid_now(void)
{
	return (pid_t)syscall(SYS_gettid);
}

static pthread_t start(void *(*function)(void *), void *argument)
{
	pthread_t thread;
	int error = pthread_create(&thread, 0, function, argument);
	if (error) {
		printf("pthread_create failed: %s\n", error_name(error));
		exit(99);
	}
	return thread;
}

static void *join(pthread_t thread)
{
	void *value = 0;
	int error = pthread_join(thread, &value);
	if (error) printf("pthread_join: %s\n", error_name(error));
	return value;
}

// --- What threads share and what they do not.

static _Thread_local int own = 5;
static int shared;

static void *look(void *argument)
{
	(void)argument;
	SHOW_BOOL(own == 5);
	own = 6;
	shared = 7;
	SHOW_BOOL(gettid_now() != getpid());
	SHOW_BOOL(chdir("/") == 0);
	return (void *)(intptr_t)gettid_now();
}

static void test_identity(void)
{
	char cwd[64];
	int fd = open(".", O_RDONLY | O_DIRECTORY);
	own = 9;
	intptr_t tid = (intptr_t)join(start(look, 0));
	SHOW_BOOL(tid != gettid_now());
	SHOW_BOOL(gettid_now() == getpid());
	SHOW_BOOL(own == 9);
	SHOW_BOOL(shared == 7);
	printf("cwd: %s\n", getcwd(cwd, sizeof cwd));
	MUST(fchdir(fd));
	MUST(close(fd));
	errno = 0;
	SHOW(syscall(SYS_tgkill, getpid(), tid, 0));
}

// --- Mutexes and conditions.

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static long counter;
static int turn;

static void *count_up(void *argument)
{
	(void)argument;
	for (int i = 0; i < 5000; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_mutex_unlock(&mutex);
		if (i % 500 == 0) sched_yield();
	}
	return 0;
}

static void *take_turns(void *argument)
{
	int number = (int)(intptr_t)argument;
	for (int round = 0; round < 3; round++) {
		pthread_mutex_lock(&mutex);
		while (turn % THREADS != number) pthread_cond_wait(&condition, &mutex);
		printf("%d%s", number, number == THREADS - 1 ? "\n" : " ");
		turn++;
		pthread_cond_broadcast(&condition);
		pthread_mutex_unlock(&mutex);
	}
	return argument;
}

static void test_mutex(void)
{
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++) threads[i] = start(count_up, 0);
	for (int i = 0; i < THREADS; i++) join(threads[i]);
	printf("counter: %ld\n", counter);

	for (int i = 0; i < THREADS; i++) threads[i] = start(take_turns, (void *)(intptr_t)i);
	intptr_t sum = 0;
	for (int i = 0; i < THREADS; i++) sum += (intptr_t)join(threads[i]);
	printf("sum: %ld\n", (long)sum);

	struct timespec soon;
	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_nsec += 20000000;
	if (soon.tv_nsec >= 1000000000) {
		soon.tv_sec++;
		soon.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&mutex);
	printf("timedwait: %s\n", error_name(pthread_cond_timedwait(&condition, &mutex, &soon)));
	pthread_mutex_unlock(&mutex);

	pthread_mutexattr_t attributes;
	pthread_mutex_t checking;
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&checking, &attributes);
	pthread_mutex_lock(&checking);
	printf("lock twice: %s\n", error_name(pthread_mutex_lock(&checking)));
	pthread_mutex_unlock(&checking);
	printf("unlock twice: %s\n", error_name(pthread_mutex_unlock(&checking)));
	pthread_mutex_destroy(&checking);
	pthread_mutexattr_destroy(&attributes);
}

// --- A robust mutex whose owner ends.

static pthread_mutex_t robust;

static void *die_with_lock(void *argument)
{
	pthread_mutex_lock(&robust);
	return argument;
}

static void test_robust(void)
{
	pthread_mutexattr_t attributes;
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &attributes);
	join(start(die_with_lock, 0));
	int error = pthread_mutex_lock(&robust);
	SHOW_BOOL(error == EOWNERDEAD);
	printf("consistent: %d\n", pthread_mutex_consistent(&robust));
	pthread_mutex_unlock(&robust);
	printf("lock again: %d\n", pthread_mutex_lock(&robust));
	pthread_mutex_unlock(&robust);
}

// --- Barriers, read-write locks, semaphores.

static pthread_barrier_t barrier;
static atomic_int before, serials, late;

static void *meet(void *argument)
{
	(void)argument;
	for (int round = 1; round <= 3; round++) {
		before++;
		if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) serials++;
		if (before < round * THREADS) late++;
		pthread_barrier_wait(&barrier);
	}
	return 0;
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static int value_a, value_b;
static atomic_int torn;

static void *read_both(void *argument)
{
	(void)argument;
	for (int i = 0; i < 300; i++) {
		pthread_rwlock_rdlock(&rwlock);
		if (value_a != value_b) torn++;
		if (i % 50 == 0) sched_yield();
		if (value_a != value_b) torn++;
		pthread_rwlock_unlock(&rwlock);
	}
	return 0;
}

static void *write_both(void *argument)
{
	(void)argument;
	for (int i = 0; i < 100; i++) {
		pthread_rwlock_wrlock(&rwlock);
		value_a++;
		sched_yield();
		value_b++;
		pthread_rwlock_unlock(&rwlock);
	}
	return 0;
}

static sem_t semaphore;

static void *post_ten(void *argument)
{
	(void)argument;
	for (int i = 0; i < 10; i++) sem_post(&semaphore);
	return 0;
}

static void test_meetings(void)
{
	pthread_t threads[THREADS];
	pthread_barrier_init(&barrier, 0, THREADS);
	for (int i = 0; i < THREADS; i++) threads[i] = start(meet, 0);
	for (int i = 0; i < THREADS; i++) join(threads[i]);
	printf("barrier: %d came, %d serial, %d late\n", before, serials, late);
	pthread_barrier_destroy(&barrier);

	for (int i = 0; i < THREADS; i++) threads[i] = start(i % 4 ? read_both : write_both, 0);
	for (int i = 0; i < THREADS; i++) join(threads[i]);
	printf("rwlock: %d %d, torn %d\n", value_a, value_b, torn);

	sem_init(&semaphore, 0, 0);
	for (int i = 0; i < 3; i++) threads[i] = start(post_ten, 0);
	for (int i = 0; i < 30; i++) sem_wait(&semaphore);
	for (int i = 0; i < 3; i++) join(threads[i]);
	int left = -1;
	sem_getvalue(&semaphore, &left);
	printf("semaphore: %d left\n", left);
	SHOW(sem_trywait(&semaphore));
}

// --- Once, keys and their destructors.

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static atomic_int nr_once, nr_destroyed;

static void destroy(void *value)
{
	nr_destroyed += (int)(intptr_t)value;
}

static void make_key(void)
{
	nr_once++;
	pthread_key_create(&key, destroy);
}

static void *use_key(void *argument)
{
	pthread_once(&once, make_key);
	pthread_setspecific(key, argument);
	sched_yield();
	return pthread_getspecific(key);
}

static void test_keys(void)
{
	pthread_t threads[THREADS];
	intptr_t sum = 0;
	for (int i = 0; i < THREADS; i++) threads[i] = start(use_key, (void *)(intptr_t)(i + 1));
	for (int i = 0; i < THREADS; i++) sum += (intptr_t)join(threads[i]);
	printf("once: %d, values %ld, destroyed %d\n", nr_once, (long)sum, nr_destroyed);
}

// --- Cancellation.

static void cleaned_up(void *what)
{
	printf("clean up: %s\n", (const char *)what);
}

static void *wait_for_ever(void *argument)
{
	pthread_cleanup_push(cleaned_up, argument);
	for (;;) pause();
	pthread_cleanup_pop(0);
	return 0;
}

static void *read_for_ever(void *argument)
{
	int *fds = argument;
	char byte;
	pthread_cleanup_push(cleaned_up, "reader");
	read(fds[0], &byte, 1);
	pthread_cleanup_pop(0);
	return 0;
}

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;

static void unlock_held(void *argument)
{
	pthread_mutex_unlock(&held);
	cleaned_up(argument);
}

static void *wait_for_condition(void *argument)
{
	pthread_mutex_lock(&held);
	pthread_cleanup_push(unlock_held, argument);
	for (;;) pthread_cond_wait(&condition, &held);
	pthread_cleanup_pop(0);
	return 0;
}

static void *disabled_for_a_while(void *argument)
{
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, 0);
	sem_post(&semaphore);
	sleep_ms(30);
	puts("still there");
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, 0);
	pthread_testcancel();
	puts("not reached");
	return argument;
}

static void cancel(const char *what, pthread_t thread)
{
	sleep_ms(20);
	pthread_cancel(thread);
	printf("%s: %s\n", what, join(thread) == PTHREAD_CANCELED ? "cancelled" : "not cancelled");
}

static void test_cancel(void)
{
	int fds[2];
	MUST(pipe(fds));
	cancel("pause", start(wait_for_ever, "pauser"));
	cancel("read", start(read_for_ever, fds));
	cancel("condition", start(wait_for_condition, "waiter"));
	printf("held: %d\n", pthread_mutex_trylock(&held));
	pthread_t thread = start(disabled_for_a_while, 0);
	sem_wait(&semaphore);
	cancel("disabled", thread);
	MUST(close(fds[0]));
	MUST(close(fds[1]));
}

// --- One thread blocks, others run.

static void *read_byte(void *argument)
{
	int *fds = argument;
	char byte = 0;
	ssize_t n = read(fds[0], &byte, 1);
	printf("read: %zd %c\n", n, byte);
	return 0;
}

static void *compute(void *argument)
{
	volatile unsigned sum = 0;
	for (unsigned i = 0; i < 20000000; i++) sum += i;
	(void)argument;
	return 0;
}

static void *detached(void *argument)
{
	sem_post(argument);
	return 0;
}

static void test_blocking(void)
{
	int fds[2];
	MUST(pipe(fds));
	pthread_t reader = start(read_byte, fds);
	pthread_t busy[2] = { start(compute, 0), start(compute, 0) };
	for (int i = 0; i < 2; i++) join(busy[i]);
	puts("computed");
	MUST(write(fds[1], "x", 1));
	join(reader);
	MUST(close(fds[0]));
	MUST(close(fds[1]));

	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < 50; i++) {
		pthread_t thread;
		int error = pthread_create(&thread, &attributes, detached, &semaphore);
		if (error) printf("detached: %s\n", error_name(error));
		sem_wait(&semaphore);
	}
	puts("detached threads came");
}

// --- Signals.

static atomic_int handled_by, nr_handled;
static sem_t seen;

static void on_signal(int number)
{
	(void)number;
	handled_by = gettid_now();
	nr_handled++;
	sem_post(&seen);
}

static atomic_int sleeper_tid;

static void *sleep_under_signals(void *argument)
{
	// Blocked until the wait, so that none comes before.
	sigset_t set, none;
	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, 0);
	sleeper_tid = gettid_now();
	sem_post(&semaphore);
	struct timespec long_time = { 100, 0 };
	int result = ppoll(0, 0, &long_time, &none);
	printf("ppoll: %s\n", result == -1 ? error_name(errno) : "0");
	return argument;
}

static void *wait_for_signal(void *argument)
{
	sigset_t *set = argument;
	int number = 0;
	sem_post(&semaphore);
	printf("sigwait: %d", sigwait(set, &number));
	printf(" %s\n", number == SIGUSR2 ? "SIGUSR2" : "another");
	return 0;
}

static void *show_mask(void *argument)
{
	sigset_t set;
	pthread_sigmask(SIG_SETMASK, 0, &set);
	printf("inherits the mask: %s\n", sigismember(&set, SIGUSR1) ? "yes" : "no");
	sigemptyset(&set);
	pthread_sigmask(SIG_SETMASK, &set, 0);
	return argument;
}

static void test_signals(void)
{
	sem_init(&seen, 0, 0);
	struct sigaction action = { .sa_handler = on_signal };
	MUST(sigaction(SIGUSR1, &action, 0));

	pthread_t thread = start(sleep_under_signals, 0);
	sem_wait(&semaphore);
	sleep_ms(20);
	pthread_kill(thread, SIGUSR1);
	join(thread);
	SHOW_BOOL(handled_by == sleeper_tid);

	// Blocked here: the other thread handles what is sent to the process.
	sigset_t set, old;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	join(start(show_mask, 0));
	sigset_t now;
	pthread_sigmask(SIG_SETMASK, 0, &now);
	SHOW_BOOL(sigismember(&now, SIGUSR1) == 1);

	thread = start(wait_for_signal, &set);
	sem_wait(&semaphore);
	sleep_ms(20);
	MUST(kill(getpid(), SIGUSR2));
	join(thread);

	pthread_sigmask(SIG_SETMASK, &old, 0);
	pthread_kill(pthread_self(), SIGUSR1);
	sem_wait(&seen);
	SHOW_BOOL(handled_by == gettid_now());
	printf("handled: %d\n", nr_handled);
}

// --- Many threads, and stacks of their own.

static void *fill_stack(void *argument)
{
	volatile char room[16384];
	memset((void *)room, (int)(intptr_t)argument, sizeof room);
	sched_yield();
	for (size_t i = 0; i < sizeof room; i++)
		if (room[i] != (char)(intptr_t)argument) return (void *)1;
	return 0;
}

static void test_many(void)
{
	enum { MANY = 100 };
	static pthread_t threads[MANY];
	long wrong = 0;
	for (int i = 0; i < MANY; i++) threads[i] = start(fill_stack, (void *)(intptr_t)i);
	for (int i = 0; i < MANY; i++) wrong += (long)(intptr_t)join(threads[i]);
	printf("many: %ld wrong\n", wrong);
	for (int i = 0; i < 300; i++) join(start(fill_stack, (void *)(intptr_t)i));
	puts("one after the other");
}

// --- What /proc shows of threads.

static sem_t shown;

static void *be_named(void *argument)
{
	char path[64];
	prctl(PR_SET_NAME, "worker");
	snprintf(path, sizeof path, "/proc/self/task/%d/comm", gettid_now());
	int fd = open(path, O_RDONLY);
	char name[32] = "";
	if (fd != -1 && read(fd, name, sizeof name - 1) > 0) printf("%s: %s", "comm", name);
	close(fd);
	sem_post(&semaphore);
	sem_wait(&shown);
	return argument;
}

static int count_tasks(void)
{
	int count = 0;
	DIR *tasks = opendir("/proc/self/task");
	for (struct dirent *entry; tasks && (entry = readdir(tasks));)
		if (entry->d_name[0] != '.') count++;
	if (tasks) closedir(tasks);
	return count;
}

static void test_proc(void)
{
	char name[16] = "";
	sem_init(&shown, 0, 0);
	pthread_t threads[3];
	for (int i = 0; i < 3; i++) {
		threads[i] = start(be_named, 0);
		sem_wait(&semaphore);
	}
	printf("tasks: %d\n", count_tasks());
	prctl(PR_GET_NAME, name);
	printf("name: %s\n", name);
	for (int i = 0; i < 3; i++) sem_post(&shown);
	for (int i = 0; i < 3; i++) join(threads[i]);
	// A joined thread may be on its way out of the kernel.
	for (int i = 0; i < 100 && count_tasks() > 1; i++) sleep_ms(10);
	printf("tasks: %d\n", count_tasks());
}

// --- How processes with threads end.

static void *block(void *argument)
{
	for (;;) pause();
	return argument;
}

static volatile int goes_on = 1;

static void *spin(void *argument)
{
	while (goes_on) {
	}
	return argument;
}

static void *leave(void *argument)
{
	sleep_ms(10);
	exit((int)(intptr_t)argument);
}

static void *last_one(void *argument)
{
	sleep_ms(20);
	puts("the last thread");
	fflush(stdout);
	return argument;
}

static void *run_true(void *argument)
{
	const char *argv[] = { argument, "say", "from the thread", 0 };
	execv(argument, (char **)argv);
	return 0;
}

static void *crash(void *argument)
{
	(void)argument;
	raise(SIGSEGV);
	return 0;
}

static int play(const char *self, const char *role, const char *text)
{
	if (!strcmp(role, "say")) {
		printf("child: %s\n", text);
		return 3;
	}
	for (int i = 0; i < 3; i++) start(block, 0);
	if (!strcmp(role, "exit")) return 4;
	if (!strcmp(role, "spin")) {
		start(spin, 0);
		sleep_ms(10);
		return 5;
	}
	if (!strcmp(role, "leave")) {
		start(leave, (void *)6);
		for (;;) pause();
	}
	if (!strcmp(role, "exec")) {
		start(run_true, (void *)self);
		for (;;) pause();
	}
	if (!strcmp(role, "signal")) {
		start(crash, 0);
		for (;;) pause();
	}
	if (!strcmp(role, "killed")) {
		for (;;) pause();
	}
	return 98;
}

static int play_last(void)
{
	start(last_one, 0);
	pthread_exit(0);
}

static void test_ends(const char *self)
{
	const char *roles[] = { "exit", "spin", "leave", "exec", "signal", "last" };
	for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
		show_end(roles[i], start_role(self, roles[i], 0, 0));
	pid_t pid = start_role(self, "killed", 0, 0);
	sleep_ms(50);
	MUST(kill(pid, SIGKILL));
	show_end("killed", pid);
}

// --- posix_spawn in a thread while others run.

static void *spawn_child(void *argument)
{
	int status = 0;
	pid_t pid = start_role(argument, "say", "spawned by a thread", 0);
	if (waitpid(pid, &status, 0) != pid) return (void *)-1;
	return (void *)(intptr_t)WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "last")) return play_last();
	if (argc > 1) return play(argv[0], argv[1], argc > 2 ? argv[2] : 0);
	test_identity();
	test_mutex();
	test_robust();
	test_meetings();
	test_keys();
	test_cancel();
	test_blocking();
	test_signals();
	test_many();
	test_proc();
	test_ends(argv[0]);
	pthread_t spinner = start(compute, 0);
	printf("spawn: %ld\n", (long)(intptr_t)join(start(spawn_child, argv[0])));
	join(spinner);
	return 0;
}

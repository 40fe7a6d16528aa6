// Threads that compute: where there are several Workers they run side by side. Words that threads hand
// over without any call, locks and memory from many of them, signals to those that make no calls, and
// all ends of a process with threads that compute: exit, exec, fork, a signal, the end of its main
// thread. With a role in argv[1] it is a child of itself; `handshake ROUNDS` says too whether both
// threads had a processor of their own.
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

#define THREADS 6

static const char *self;

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

static void join(pthread_t thread)
{
	int error = pthread_join(thread, 0);
	if (error) printf("pthread_join: %s\n", error_name(error));
}

// --- Two threads that wait for each other and make no calls: with one processor a round is two slices.

static long nr_rounds;
static atomic_long turn[2];
static int processor[2];

static void *shake(void *argument)
{
	int me = (int)(intptr_t)argument;
	for (long round = 1; round <= nr_rounds; round++) {
		atomic_store_explicit(&turn[me], round, memory_order_relaxed);
		while (atomic_load_explicit(&turn[!me], memory_order_relaxed) < round) continue;
	}
	processor[me] = sched_getcpu();
	return 0;
}

static void shake_hands(long rounds)
{
	nr_rounds = rounds;
	turn[0] = turn[1] = 0;
	pthread_t threads[2];
	for (intptr_t i = 0; i < 2; i++) threads[i] = start(shake, (void *)i);
	for (int i = 0; i < 2; i++) join(threads[i]);
	printf("handshake: %ld %ld\n", (long)turn[0], (long)turn[1]);
}

// --- Locks and memory from many threads.

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static long under_mutex, in_turn;
static atomic_long atomically, wrong;

static void work(unsigned steps)
{
	volatile unsigned sum = 0;
	for (unsigned i = 0; i < steps; i++) sum += i;
}

static void *count_up(void *argument)
{
	(void)argument;
	for (int i = 0; i < 4000; i++) {
		pthread_mutex_lock(&mutex);
		under_mutex++;
		pthread_mutex_unlock(&mutex);
		atomically++;
		work(500);
	}
	return 0;
}

static void *take_turns(void *argument)
{
	long me = (intptr_t)argument;
	for (int round = 0; round < 20; round++) {
		work(20000);
		pthread_mutex_lock(&mutex);
		while (in_turn % THREADS != me) pthread_cond_wait(&condition, &mutex);
		in_turn++;
		pthread_cond_broadcast(&condition);
		pthread_mutex_unlock(&mutex);
		pthread_barrier_wait(&barrier);
	}
	return 0;
}

static void *use_memory(void *argument)
{
	unsigned char mark = (unsigned char)(1 + (intptr_t)argument);
	for (unsigned i = 0; i < 40; i++) {
		size_t len = 4096 * (1 + i % 7 * 9);
		unsigned char *mapped = mmap(0, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		unsigned char *allocated = malloc(len);
		if (mapped == MAP_FAILED || !allocated) {
			wrong++;
			return 0;
		}
		for (size_t at = 0; at < len; at += 512) wrong += mapped[at] != 0;
		memset(mapped, mark, len);
		memset(allocated, mark, len);
		work(3000);
		for (size_t at = 0; at < len; at += 512) wrong += mapped[at] != mark || allocated[at] != mark;
		free(allocated);
		MUST(munmap(mapped, len));
	}
	return 0;
}

static void together(void *(*function)(void *))
{
	pthread_t threads[THREADS];
	for (intptr_t i = 0; i < THREADS; i++) threads[i] = start(function, (void *)i);
	for (int i = 0; i < THREADS; i++) join(threads[i]);
}

// --- Signals to threads that make no calls.

static atomic_int nr_handled, nr_spinning;
static _Thread_local volatile sig_atomic_t is_told;

static void tell(int number)
{
	(void)number;
	is_told = 1;
	nr_handled++;
}

static void *spin_until_told(void *argument)
{
	(void)argument;
	nr_spinning++;
	while (!is_told) continue;
	return 0;
}

static void test_signals(void)
{
	struct sigaction action = { .sa_handler = tell };
	MUST(sigaction(SIGUSR1, &action, 0));
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++) threads[i] = start(spin_until_told, 0);
	while (nr_spinning < THREADS) sched_yield();
	for (int i = 0; i < THREADS; i++) pthread_kill(threads[i], SIGUSR1);
	for (int i = 0; i < THREADS; i++) join(threads[i]);
	printf("signals: %d\n", (int)nr_handled);
}

// --- Ends.

static void *spin(void *argument)
{
	(void)argument;
	nr_spinning++;
	for (;;) work(1000);
	return 0;
}

static void spin_in_all(int count)
{
	nr_spinning = 0;
	for (int i = 0; i < count; i++) start(spin, 0);
	while (nr_spinning < count) sched_yield();
}

static void *exit_all(void *argument)
{
	work(3000000);
	exit((int)(intptr_t)argument);
}

static void *exec_all(void *argument)
{
	work(3000000);
	execl(self, self, "after", argument, (char *)0);
	_exit(97);
}

static void *fork_one(void *argument)
{
	work(3000000);
	*(int *)argument = fork();
	if (*(int *)argument == 0) {
		work(100000);
		_exit(9);
	}
	return 0;
}

static void *work_and_leave(void *argument)
{
	(void)argument;
	work(6000000);
	return 0;
}

static int child(const char *role)
{
	char ready = 'r';
	if (!strcmp(role, "exit")) {
		spin_in_all(2);
		join(start(exit_all, (void *)7));
	} else if (!strcmp(role, "exec")) {
		spin_in_all(2);
		join(start(exec_all, "8"));
	} else if (!strcmp(role, "exec main")) {
		spin_in_all(3);
		execl(self, self, "after", "11", (char *)0);
	} else if (!strcmp(role, "spin")) {
		spin_in_all(3);
		MUST(write(1, &ready, 1));
		for (;;) pause();
	} else if (!strcmp(role, "trap")) {
		spin_in_all(2);
		*(volatile int *)BAD_POINTER = 1;
	} else if (!strcmp(role, "main leaves")) {
		for (int i = 0; i < 3; i++) start(work_and_leave, 0);
		pthread_exit(0);
	}
	return 98;
}

static pid_t run(char *role, int out)
{
	fflush(stdout);
	char *argv[] = { (char *)self, role, 0 };
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	if (out >= 0) posix_spawn_file_actions_adddup2(&actions, out, 1);
	pid_t pid;
	int error = posix_spawn(&pid, self, &actions, 0, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (error) {
		printf("posix_spawn: %s\n", error_name(error));
		exit(99);
	}
	return pid;
}

static void tell_end(const char *what, pid_t pid, int options)
{
	int status;
	if (waitpid(pid, &status, options) != pid)
		printf("%s: waitpid failed: %s\n", what, error_name(errno));
	else if (WIFEXITED(status))
		printf("%s: exited with %d\n", what, WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		printf("%s: killed by signal %d\n", what, WTERMSIG(status));
	else
		printf("%s: %s\n", what, WIFSTOPPED(status) ? "stopped" : "continued");
}

static void test_ends(void)
{
	static char *const roles[] = { "exit", "exec", "exec main", "trap", "main leaves" };
	for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) tell_end(roles[i], run(roles[i], -1), 0);

	int fds[2];
	char byte;
	MUST(pipe(fds));
	pid_t pid = run("spin", fds[1]);
	MUST(read(fds[0], &byte, 1));
	MUST(kill(pid, SIGSTOP));
	tell_end("stop", pid, WUNTRACED);
	MUST(kill(pid, SIGCONT));
	tell_end("continue", pid, WCONTINUED);
	MUST(kill(pid, SIGKILL));
	tell_end("kill", pid, 0);
	MUST(close(fds[0]));
	MUST(close(fds[1]));
}

static void test_fork(void)
{
	int pids[3] = { -1, -1, -1 };
	pthread_t threads[3];
	for (int i = 0; i < 3; i++) threads[i] = start(fork_one, &pids[i]);
	for (int i = 0; i < 3; i++) join(threads[i]);
	for (int i = 0; i < 3; i++) tell_end("fork", pids[i], 0);
}

int main(int argc, char **argv)
{
	self = argv[0];
	if (argc > 2 && !strcmp(argv[1], "after")) return atoi(argv[2]);
	if (argc > 2 && !strcmp(argv[1], "handshake")) {
		shake_hands(atol(argv[2]));
		printf("two processors: %s\n", processor[0] != processor[1] ? "yes" : "no");
		return 0;
	}
	if (argc > 1) return child(argv[1]);

	shake_hands(3);
	together(count_up);
	printf("counted: %ld %ld\n", under_mutex, (long)atomically);
	pthread_barrier_init(&barrier, 0, THREADS);
	together(take_turns);
	printf("turns: %ld\n", in_turn);
	together(use_memory);
	printf("memory: %ld wrong\n", (long)wrong);
	test_signals();
	test_ends();
	test_fork();
	return 0;
}

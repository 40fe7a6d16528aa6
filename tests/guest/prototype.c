// Functions without a prototype, or of another type than they are called with: threads, handlers, and
// what libc calls back.
#include "check.h"
#include <pthread.h>

#pragma GCC diagnostic ignored "-Wcast-function-type"

static volatile sig_atomic_t nr_signals;
static volatile sig_atomic_t last_signal;

static void *work()
{
	puts("a thread without a parameter");
	return (void *)5;
}

static void quiet()
{
	puts("a thread without a parameter or a result");
	fflush(stdout);
}

static void take(void *text)
{
	printf("a thread without a result: %s\n", (char *)text);
	fflush(stdout);
}

static void tidy()
{
	puts("cleanup without a parameter");
}

static void forget()
{
	puts("destructor without a parameter");
	fflush(stdout);
}

static void *begin()
{
	puts("once without a prototype");
	return 0;
}

static void *leave(void *key)
{
	pthread_cleanup_push(tidy, 0);
	pthread_setspecific(*(pthread_key_t *)key, "something");
	pthread_cleanup_pop(1);
	pthread_cleanup_push(tidy, 0);
	pthread_exit((void *)6);
	pthread_cleanup_pop(0);
	return 0;
}

static void stop()
{
	nr_signals++;
}

static int count(int signal)
{
	last_signal = signal;
	return ++nr_signals;
}

static void one(int signal)
{
	last_signal = signal;
	nr_signals++;
}

static void three(int signal, siginfo_t *info, void *context)
{
	(void)info;
	last_signal = signal;
	nr_signals += context ? 1 : 100;
}

static void run(const char *what, void *(*start)(void *), void *argument)
{
	pthread_t thread;
	void *result;
	int created = pthread_create(&thread, 0, start, argument);
	int joined = pthread_join(thread, &result);
	// Not before: the thread prints, too.
	printf("%s: %d\njoined: %d\n", what, created, joined);
	fflush(stdout);
	if (start == leave || start == (void *(*)(void *))work)
		printf("result %ld\n", (long)result);
}

static void handle(const char *what, void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
	struct sigaction old;
	nr_signals = last_signal = 0;
	sigaction(SIGUSR1, &action, 0);
	raise(SIGUSR1);
	sigaction(SIGUSR1, 0, &old);
	printf("%s: %d, signal %d, %s handler\n", what, (int)nr_signals, (int)last_signal,
		old.sa_handler == handler ? "the same" : "another");
}

int main(void)
{
	pthread_key_t key;
	pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_key_create(&key, (void (*)(void *))forget);
	printf("once: %d\n", pthread_once(&once, (void (*)(void))begin));
	printf("again: %d\n", pthread_once(&once, (void (*)(void))begin));
	run("work", (void *(*)(void *))work, 0);
	run("quiet", (void *(*)(void *))quiet, 0);
	run("take", (void *(*)(void *))take, "text");
	run("leave", leave, &key);
	handle("no parameter", (void (*)(int))stop, 0);
	handle("a result", (void (*)(int))count, 0);
	handle("one parameter for three", one, SA_SIGINFO);
	handle("no parameter for three", (void (*)(int))stop, SA_SIGINFO);
	handle("three parameters for one", (void (*)(int))three, 0);
	return 0;
}

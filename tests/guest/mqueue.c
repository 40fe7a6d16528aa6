// POSIX message queues: priorities, limits, waiting, notification, and queues among other files.
#include "check.h"
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>

static char name[64], other[64];

static void show_message(const char *what, mqd_t queue)
{
	char buffer[64];
	unsigned priority = 99;
	ssize_t n = mq_receive(queue, buffer, sizeof buffer, &priority);
	if (n == -1) printf("%s: %s\n", what, error_name(errno));
	else printf("%s: [%.*s] of %u\n", what, (int)n, buffer, priority);
}

static void show_attributes(const char *what, mqd_t queue)
{
	struct mq_attr attr;
	if (mq_getattr(queue, &attr) == -1) printf("%s: %s\n", what, error_name(errno));
	else
		printf("%s: %s %ld messages of %ld bytes, %ld there\n", what,
			attr.mq_flags & O_NONBLOCK ? "nonblocking" : "blocking", (long)attr.mq_maxmsg,
			(long)attr.mq_msgsize, (long)attr.mq_curmsgs);
}

static struct timespec after_ms(int ms)
{
	struct timespec time;
	clock_gettime(CLOCK_REALTIME, &time);
	time.tv_nsec += ms * 1000000L;
	time.tv_sec += time.tv_nsec / 1000000000, time.tv_nsec %= 1000000000;
	return time;
}

static short ready(mqd_t queue)
{
	struct pollfd entry = { queue, POLLIN | POLLOUT, 0 };
	MUST(poll(&entry, 1, 0));
	return entry.revents;
}

static void names(void)
{
	struct mq_attr attr = { .mq_maxmsg = 4, .mq_msgsize = 64 };
	char text[300] = "/";
	SHOW(mq_open(name, O_RDWR));
	SHOW_OK(mq_open(name, O_RDWR | O_CREAT, 0600, &attr));
	SHOW(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr));
	mqd_t queue = mq_open(name, O_RDONLY);
	MUST(queue);
	show_attributes("made", queue);
	SHOW(mq_send(queue, "x", 1, 0));
	SHOW_BOOL(fcntl(queue, F_GETFD) == FD_CLOEXEC);
	struct stat st;
	MUST(fstat(queue, &st));
	printf("mode %o, %lld bytes\n", (unsigned)st.st_mode, (long long)st.st_size);
	SHOW(mq_unlink(name));
	SHOW(mq_unlink(name));
	show_attributes("without a name", queue);
	SHOW(mq_close(queue));
	SHOW(mq_close(queue));
	mqd_t plain = mq_open(name, O_WRONLY | O_CREAT | O_NONBLOCK, 0640, 0);
	MUST(plain);
	show_attributes("plain", plain);
	show_message("plain", plain);
	MUST(mq_unlink(name));
	memset(text + 1, 'n', 256);
	SHOW(mq_open(text, O_RDWR | O_CREAT, 0600, 0));
	SHOW(mq_open("/a/b", O_RDWR | O_CREAT, 0600, 0));
	SHOW(mq_open("/", O_RDWR | O_CREAT, 0600, 0));
	SHOW(mq_open("/..", O_RDWR | O_CREAT, 0600, 0));
	attr.mq_maxmsg = 0;
	SHOW(mq_open(name, O_RDWR | O_CREAT, 0600, &attr));
	attr.mq_maxmsg = 100000;
	SHOW(mq_open(name, O_RDWR | O_CREAT, 0600, &attr));
	attr.mq_maxmsg = 5, attr.mq_msgsize = -1;
	SHOW(mq_open(name, O_RDWR | O_CREAT, 0600, &attr));
	show_attributes("no queue", 0);
	SHOW(mq_send(0, "x", 1, 0));
	SHOW(mq_send(99, "x", 1, 0));
}

static void order(mqd_t queue)
{
	puts("-- order and sizes");
	SHOW(ready(queue) == POLLOUT);
	MUST(mq_send(queue, "low", 3, 1));
	MUST(mq_send(queue, "high", 4, 30));
	MUST(mq_send(queue, "low too", 7, 1));
	SHOW(ready(queue) == (POLLIN | POLLOUT));
	MUST(mq_send(queue, "", 0, 7));
	SHOW(ready(queue) == POLLIN);
	show_attributes("full", queue);
	struct timespec past = { 1, 0 };
	SHOW(mq_timedsend(queue, "more", 4, 1, &past));
	for (int i = 0; i < 4; i++) show_message("received", queue);
	SHOW(mq_timedreceive(queue, (char[64]){ "" }, 64, 0, &past));
	SHOW(mq_send(queue, "x", 65, 0));
	SHOW(mq_send(queue, "x", 1, 32768));
	SHOW(mq_send(queue, "x", 1, 32767));
	SHOW(mq_receive(queue, (char[63]){ "" }, 63, 0));
	show_message("highest", queue);
	SHOW(mq_send(queue, BAD_POINTER, 5, 0));
	MUST(mq_send(queue, "gone", 4, 0));
	SHOW(mq_receive(queue, BAD_POINTER, 64, 0));
	SHOW(ready(queue) == POLLOUT);
	struct timespec bad = { 0, 1000000000 };
	SHOW(mq_timedsend(queue, "x", 1, 0, &bad));
	SHOW(mq_timedreceive(queue, (char[64]){ "" }, 64, 0, &bad));
	MUST(mq_send(queue, "x", 1, 0));
	show_message("left", queue);
}

static void flags(mqd_t queue)
{
	puts("-- flags");
	struct mq_attr attr = { .mq_flags = O_NONBLOCK, .mq_maxmsg = 77 }, before;
	SHOW(mq_setattr(queue, &attr, &before));
	SHOW_BOOL(before.mq_flags == 0 && before.mq_maxmsg == 4);
	show_attributes("now", queue);
	show_message("empty", queue);
	for (int i = 0; i < 5; i++) SHOW(mq_send(queue, "x", 1, 0));
	for (int i = 0; i < 4; i++) MUST(mq_receive(queue, (char[64]){ "" }, 64, 0));
	attr.mq_flags = O_APPEND;
	SHOW(mq_setattr(queue, &attr, 0));
	attr.mq_flags = 0;
	SHOW(mq_setattr(queue, &attr, 0));
	show_attributes("again", queue);
	mqd_t reader = mq_open(other, O_RDONLY), writer = mq_open(other, O_WRONLY);
	SHOW(mq_send(reader, "x", 1, 0));
	SHOW(mq_receive(writer, (char[64]){ "" }, 64, 0));
	MUST(mq_close(reader));
	MUST(mq_close(writer));
}

static void *send_later(void *queue)
{
	sleep_ms(20);
	MUST(mq_send(*(mqd_t *)queue, "late", 4, 3));
	return 0;
}

static void *receive_later(void *queue)
{
	sleep_ms(20);
	MUST(mq_receive(*(mqd_t *)queue, (char[64]){ "" }, 64, 0));
	return 0;
}

static volatile sig_atomic_t nr_alarms;

static void count(int number)
{
	(void)number;
	nr_alarms = nr_alarms + 1;
}

static void waiting(mqd_t queue)
{
	puts("-- waiting");
	pthread_t thread;
	fflush(stdout);
	pthread_create(&thread, 0, send_later, &queue);
	show_message("waited", queue);
	pthread_join(thread, 0);
	for (int i = 0; i < 4; i++) MUST(mq_send(queue, "x", 1, 0));
	pthread_create(&thread, 0, receive_later, &queue);
	SHOW(mq_send(queue, "last", 4, 9));
	pthread_join(thread, 0);
	struct timespec soon = after_ms(30);
	SHOW(mq_timedsend(queue, "x", 1, 0, &soon));
	show_message("first", queue);
	for (int i = 0; i < 3; i++) MUST(mq_receive(queue, (char[64]){ "" }, 64, 0));
	soon = after_ms(30);
	SHOW(mq_timedreceive(queue, (char[64]){ "" }, 64, 0, &soon));
	struct sigaction action = { .sa_handler = count };
	sigaction(SIGALRM, &action, 0);
	struct itimerspec often = { { 0, 30000000 }, { 0, 30000000 } };
	timer_t timer;
	MUST(timer_create(CLOCK_MONOTONIC, 0, &timer));
	MUST(timer_settime(timer, 0, &often, 0));
	SHOW(mq_receive(queue, (char[64]){ "" }, 64, 0));
	action.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &action, 0);
	soon = after_ms(100);
	SHOW(mq_timedreceive(queue, (char[64]){ "" }, 64, 0, &soon));
	MUST(timer_delete(timer));
	SHOW_BOOL(nr_alarms > 1);
}

static siginfo_t last;
static volatile sig_atomic_t nr_notes;

static void note(int number, siginfo_t *info, void *context)
{
	(void)number, (void)context;
	last = *info;
	nr_notes = nr_notes + 1;
}

static void notification(const char *self, mqd_t queue)
{
	puts("-- notification");
	struct sigaction action = { .sa_sigaction = note, .sa_flags = SA_SIGINFO };
	sigaction(SIGUSR1, &action, 0);
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	event.sigev_value.sival_int = 42;
	SHOW(mq_notify(queue, &event));
	SHOW(mq_notify(queue, &event));
	MUST(mq_send(queue, "note", 4, 0));
	printf("notes: %d\n", (int)nr_notes);
	SHOW_BOOL(last.si_code == SI_MESGQ && last.si_value.sival_int == 42 && last.si_pid == getpid());
	SHOW_BOOL(last.si_uid == getuid());
	MUST(mq_send(queue, "none", 4, 0));
	SHOW(mq_notify(queue, &event));
	MUST(mq_send(queue, "not empty", 9, 0));
	printf("notes: %d\n", (int)nr_notes);
	for (int i = 0; i < 3; i++) MUST(mq_receive(queue, (char[64]){ "" }, 64, 0));
	MUST(mq_send(queue, "now", 3, 0));
	printf("notes: %d\n", (int)nr_notes);
	MUST(mq_receive(queue, (char[64]){ "" }, 64, 0));
	SHOW(mq_notify(queue, &event));
	SHOW(mq_notify(queue, 0));
	MUST(mq_send(queue, "nobody", 6, 0));
	MUST(mq_receive(queue, (char[64]){ "" }, 64, 0));
	printf("notes: %d\n", (int)nr_notes);
	event.sigev_notify = 77;
	SHOW(mq_notify(queue, &event));
	event.sigev_notify = SIGEV_SIGNAL, event.sigev_signo = 99;
	SHOW(mq_notify(queue, &event));
	event.sigev_notify = SIGEV_NONE;
	SHOW(mq_notify(0, &event));
	SHOW(mq_notify(queue, &event));
	event.sigev_notify = SIGEV_SIGNAL, event.sigev_signo = SIGUSR1;
	SHOW(mq_notify(queue, &event));
	MUST(mq_send(queue, "silent", 6, 0));
	MUST(mq_receive(queue, (char[64]){ "" }, 64, 0));
	printf("notes: %d\n", (int)nr_notes);

	// A receiver that waits gets the message, and nobody is told.
	pthread_t thread;
	SHOW(mq_notify(queue, &event));
	fflush(stdout);
	pthread_create(&thread, 0, send_later, &queue);
	show_message("received", queue);
	pthread_join(thread, 0);
	printf("notes: %d\n", (int)nr_notes);

	// Closing any descriptor of the queue ends it.
	mqd_t again = mq_open(other, O_RDONLY);
	MUST(again);
	MUST(mq_close(again));
	SHOW(mq_notify(queue, &event));
	// So does the end of the process.
	MUST(mq_notify(queue, 0));
	show_end("child", start_role(self, "register", other, 0));
	SHOW(mq_notify(queue, &event));
	show_end("child", start_role(self, "send", other, 0));
	printf("notes: %d\n", (int)nr_notes);
	SHOW_BOOL(last.si_pid != getpid());
	show_message("of the child", queue);
}

// As a user whose queues nobody else counts.
static void limits(void)
{
	puts("-- limits");
	struct mq_attr attr = { .mq_maxmsg = 10, .mq_msgsize = 1000 };
	struct rlimit limit = { 5000, 5000 };
	MUST(setrlimit(RLIMIT_MSGQUEUE, &limit));
	MUST(setresuid(12345, 12345, 0));
	SHOW(mq_open(name, O_RDWR | O_CREAT, 0600, &attr));
	attr.mq_maxmsg = 3;
	mqd_t queue = mq_open(name, O_RDWR | O_CREAT, 0600, &attr);
	SHOW_BOOL(queue != -1);
	attr.mq_maxmsg = 2;
	MUST(mq_unlink(name));
	SHOW(mq_open(name, O_RDWR | O_CREAT, 0600, &attr));
	MUST(mq_close(queue));
	SHOW_OK(mq_open(name, O_RDONLY | O_CREAT, 0000, &attr));
	SHOW(mq_open(name, O_RDWR));
	SHOW(mq_open(name, O_RDONLY));
	SHOW(mq_unlink(name));
	SHOW(mq_open(other, O_RDONLY));
	SHOW(mq_unlink(other));
	MUST(setresuid(0, 0, 0));
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		mqd_t queue = mq_open(argv[2], O_RDWR);
		MUST(queue);
		struct sigevent event = { .sigev_notify = SIGEV_NONE };
		if (!strcmp(argv[1], "register")) MUST(mq_notify(queue, &event));
		else MUST(mq_send(queue, "hello", 5, 2));
		return 0;
	}
	umask(022);
	snprintf(name, sizeof name, "/shoal-test-%d", (int)getpid());
	snprintf(other, sizeof other, "/shoal-other-%d", (int)getpid());
	names();
	struct mq_attr attr = { .mq_maxmsg = 4, .mq_msgsize = 64 };
	mqd_t queue = mq_open(other, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
	MUST(queue);
	order(queue);
	flags(queue);
	waiting(queue);
	notification(argv[0], queue);
	MUST(mq_close(queue));
	limits();
	MUST(mq_unlink(other));
	return 0;
}

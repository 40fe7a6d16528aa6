/* setjmp and longjmp: values, loops, nesting, recursion, calls by pointer, handlers, children. */
#include "wali.h"

static jmp_buf outer, inner, many[4];

static __attribute__((noinline)) void jump(jmp_buf buf, int value)
{
	longjmp(buf, value);
}

static void values(void)
{
	static const int all[] = {7, 1, 0, -3, 0x7fffffff};
	volatile int i = 0;
	int got = setjmp(outer);
	if (got) say("value: %d became %d\n", (long)all[i - 1], (long)got);
	if (i < 5) {
		int next = all[i];
		i++;
		jump(outer, next);
	}
	switch (setjmp(outer)) {
	case 0: say("switch: first\n"), jump(outer, 2);
	case 1: say("switch: one\n"); break;
	case 2: say("switch: two\n"), jump(outer, 0);
	default: say("switch: other\n");
	}
	while (setjmp(outer) != 3) {
		i++;
		jump(outer, i - 5);
	}
	say("while: %d\n", (long)i);
}

/* What was not changed since is as it was; what is volatile is as it is. */
static void locals(int argument, double real, long wide)
{
	volatile int changed = 1;
	int kept = argument * 3;
	char array[64];
	for (int i = 0; i < 64; i++) array[i] = (char)(i ^ argument);
	for (int round = 0; round < 3; round++) {
		volatile int turn = 0;
		long sum = wide + round;
		if (setjmp(outer) == 0) {
			turn = 1;
			changed += 10;
			jump(outer, 1);
		}
		int bad = 0;
		for (int i = 0; i < 64; i++) bad += array[i] != (char)(i ^ argument);
		say("locals: %d %d %d %d %d %d %d\n", (long)argument, (long)(real * 4), sum, (long)kept, (long)changed,
		    (long)turn, (long)bad);
	}
}

static void nested(void)
{
	volatile int steps = 0;
	if (setjmp(outer) == 0) {
		if (setjmp(inner) == 0) {
			steps++;
			jump(inner, 1);
		}
		steps += 10;
		if (setjmp(inner) == 0) {
			steps += 100;
			jump(inner, 1);
		}
		steps += 1000;
		jump(outer, 1);
	}
	say("nested: %d\n", (long)steps);
	/* Both at once, in either order. */
	volatile int order = 0;
	int first = setjmp(outer), second = setjmp(inner);
	say("both: %d %d\n", (long)first, (long)second);
	if (order++ < 4) {
		if (order & 1) jump(inner, order);
		jump(outer, order);
	}
}

struct level {
	struct level *up;
	jmp_buf buf;
	int number;
};

static int (*volatile deeper)(struct level *, int);

static int descend(struct level *up, int left)
{
	struct level here = {.up = up, .number = left};
	volatile int visits = 0;
	int value = setjmp(here.buf);
	visits++;
	if (value) {
		say("level %d: %d, visit %d\n", (long)here.number, (long)value, (long)visits);
		return value + left;
	}
	if (left == 0) {
		struct level *to = &here;
		for (int i = 0; i < 3; i++) to = to->up;
		jump(to->buf, 42);
	}
	int below = deeper(&here, left - 1);
	if (left > 4 && visits < 3) jump(here.buf, below);
	return below + 1;
}

/* Each frame adds something to an argument, and none is left behind. */
static int tower(int height, int (*call)(int, int))
{
	volatile char room[100];
	room[height % 100] = (char)height;
	return height == 0 ? call(1, 2) : tower(height - 1, call) + room[height % 100];
}

static int out(int a, int b)
{
	longjmp(outer, a + b);
}

static void array(void)
{
	volatile int i, seen = 0;
	for (i = 0; i < 4; i++) {
		if (setjmp(many[i])) {
			say("array: %d\n", (long)i);
			break;
		}
	}
	if (seen < 3) {
		seen++;
		jump(many[seen], 5);
	}
}

static uint64_t mask(void)
{
	uint64_t set = 0;
	sys_rt_sigprocmask(0, 0, &set, 8);
	return set;
}

static volatile int with_mask, depth;

static void handler(int sig)
{
	if (depth-- > 0) sys_kill(sys_getpid(), sig == SIGUSR1 ? SIGUSR2 : SIGUSR1);
	if (with_mask) siglongjmp(outer, sig);
	longjmp(outer, sig);
}

static void informed(int sig, struct siginfo *info, void *context)
{
	(void)context;
	siglongjmp(outer, sig == info->signo ? 1000 + sig : -1);
}

static void signals(void)
{
	volatile int turn = 0;
	uint64_t none = 0;
	act(SIGUSR1, handler, 0);
	act(SIGUSR2, handler, 0);
	act(SIGHUP, informed, SA_SIGINFO);
	with_mask = 1;
	int got = sigsetjmp(outer, 1);
	if (turn < 50) {
		if (mask()) say("the mask is not back\n");
		turn++;
		sys_kill(sys_getpid(), SIGUSR1);
		say("not reached\n");
	}
	say("signals: %d after %d, mask %x\n", (long)got, (long)turn, (long)mask());
	/* A handler in a handler: both are left at once. */
	depth = 1;
	if ((got = sigsetjmp(outer, 1)) == 0) sys_kill(sys_getpid(), SIGUSR1);
	say("nested handlers: %d, mask %x\n", (long)got, (long)mask());
	if ((got = sigsetjmp(outer, 1)) == 0) sys_kill(sys_getpid(), SIGHUP);
	say("informed: %d, mask %x\n", (long)got, (long)mask());
	/* Without a mask that was saved, the signal stays blocked. */
	with_mask = depth = 0;
	if ((got = setjmp(outer)) == 0) sys_kill(sys_getpid(), SIGUSR1);
	say("setjmp: %d, mask %x\n", (long)got, (long)mask());
	sys_rt_sigprocmask(2, &none, 0, 8);
	if ((got = sigsetjmp(outer, 0)) == 0) sys_kill(sys_getpid(), SIGUSR2);
	say("sigsetjmp without: %d, mask %x\n", (long)got, (long)mask());
	/* The mask at sigsetjmp, not what it was before. */
	uint64_t some = 1 << (SIGHUP - 1) | 1ull << (SIGRTMIN - 1);
	sys_rt_sigprocmask(2, &some, 0, 8);
	if ((got = sigsetjmp(outer, 1)) == 0) {
		sys_rt_sigprocmask(2, &none, 0, 8);
		sys_kill(sys_getpid(), SIGUSR1);
	}
	say("other mask: %d, %x\n", (long)got, (long)(mask() == some));
	sys_rt_sigprocmask(2, &none, 0, 8);
	/* A call that waits is left. */
	struct itimerval timer = {{0, 0}, {0, 10000}};
	int fds[2];
	char byte;
	sys_pipe2(fds, 0);
	act(SIGALRM, handler, 0x10000000);
	with_mask = 1;
	if ((got = sigsetjmp(outer, 1)) == 0) {
		sys_setitimer(0, &timer, 0);
		sys_read(fds[0], &byte, 1);
		say("not reached\n");
	}
	say("waiting: %d\n", (long)got);
	/* And a loop without calls. */
	if ((got = sigsetjmp(outer, 1)) == 0) {
		sys_setitimer(0, &timer, 0);
		for (volatile int spin = 0;;) spin++;
	}
	say("spinning: %d\n", (long)got);
}

static int wait_for(int pid)
{
	int status = -1;
	return sys_wait4(pid, &status, 0, 0) == pid ? status >> 8 : -1;
}

static int fork_below(int height)
{
	volatile int local = height;
	return height == 0 ? sys_fork() : fork_below(height - 1) + (local - height);
}

static void children(void)
{
	volatile int turn = 0, pid = 0;
	int got = setjmp(outer);
	if (got == 0) {
		pid = fork_below(3);
		turn++;
		jump(outer, pid == 0 ? 5 : 6);
	}
	if (pid == 0) {
		/* The child's own buffers work, too. */
		turn += 10;
		if (got == 5) jump(outer, 7);
		if (setjmp(inner) == 0) jump(inner, 1);
		sys_exit_group(turn + got);
	}
	say("child: %d\n", (long)wait_for(pid));
	say("parent: %d %d\n", (long)got, (long)turn);
	/* A buffer that was set in the child's copy of a frame; and one of before the fork. */
	pid = fork_below(1);
	if (pid == 0) {
		int again = setjmp(inner);
		if (again < 3) jump(inner, again + 1);
		jump(outer, 9);
	}
	say("second child: %d\n", (long)wait_for(pid));
}

int run(int argc, char **argv)
{
	(void)argv;
	values();
	locals(argc + 4, 2.5, 1l << 40);
	nested();
	deeper = descend;
	say("descend: %d\n", (long)descend(0, 8));
	say("tower: %d\n", (long)(setjmp(outer) ? setjmp(outer) + 1 : tower(200, out)));
	array();
	signals();
	children();
	return 0;
}

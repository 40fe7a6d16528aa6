// prctl: names, signals at the parent's end, subreapers, privileges that are given up.
#include "check.h"
#include <linux/securebits.h>
#include <sys/prctl.h>

static void names(void)
{
	char name[16];
	SHOW(prctl(PR_SET_NAME, "a name that is far too long"));
	SHOW(prctl(PR_GET_NAME, name));
	printf("[%s]\n", name);
	show_file("/proc/self/comm");
	int fd = open("/proc/self/comm", O_WRONLY);
	MUST(fd);
	MUST(write(fd, "other", 5));
	close(fd);
	SHOW(prctl(PR_GET_NAME, name));
	printf("[%s]\n", name);
	SHOW(prctl(PR_SET_NAME, BAD_POINTER));
}

static void switches(void)
{
	int value = -1;
	SHOW(prctl(PR_GET_DUMPABLE));
	SHOW(prctl(PR_SET_DUMPABLE, 0));
	SHOW(prctl(PR_GET_DUMPABLE));
	SHOW(prctl(PR_SET_DUMPABLE, 2));
	SHOW(prctl(PR_SET_DUMPABLE, 1));
	SHOW(prctl(PR_GET_KEEPCAPS));
	SHOW(prctl(PR_SET_KEEPCAPS, 1));
	SHOW(prctl(PR_GET_KEEPCAPS));
	SHOW_BOOL(prctl(PR_GET_SECUREBITS) & SECBIT_KEEP_CAPS);
	SHOW(prctl(PR_SET_KEEPCAPS, 2));
	SHOW(prctl(PR_SET_KEEPCAPS, 0));
	SHOW(prctl(PR_SET_PDEATHSIG, SIGUSR1));
	SHOW(prctl(PR_GET_PDEATHSIG, &value));
	SHOW(value);
	SHOW(prctl(PR_SET_PDEATHSIG, 65));
	SHOW(prctl(PR_SET_PDEATHSIG, 0));
	SHOW(prctl(PR_GET_CHILD_SUBREAPER, &value));
	SHOW(value);
	SHOW(prctl(PR_SET_CHILD_SUBREAPER, 5));
	SHOW(prctl(PR_GET_CHILD_SUBREAPER, &value));
	SHOW(value);
	SHOW(prctl(PR_SET_CHILD_SUBREAPER, 0));
	SHOW(prctl(PR_GET_TIMERSLACK));
	SHOW(prctl(PR_SET_TIMERSLACK, 1234));
	SHOW(prctl(PR_GET_TIMERSLACK));
	SHOW(prctl(PR_SET_TIMERSLACK, 0));
	SHOW(prctl(PR_GET_TIMERSLACK));
	SHOW(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
	SHOW(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	SHOW(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
	SHOW(prctl(PR_GET_THP_DISABLE, 1, 0, 0, 0));
	SHOW(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0));
	SHOW(prctl(PR_GET_TIMING));
	SHOW(prctl(PR_SET_TIMING, 0));
	SHOW(prctl(PR_SET_TIMING, 1));
	SHOW(prctl(PR_CAPBSET_READ, 63));
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 99, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 1, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, 77, 0, 0, 0));
	SHOW(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	SHOW(prctl(123456));
}

// A grandchild whose parent has ended comes to the nearest subreaper.
static void subreaper(char *self)
{
	int status, nr = 0;
	MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
	show_end("middle", start_role(self, "middle", 0, 0));
	pid_t pid = wait(&status);
	if (pid > 0) nr++;
	show_status("adopted", status);
	SHOW(nr);
	SHOW(wait(&status));
	MUST(prctl(PR_SET_CHILD_SUBREAPER, 0));
}

// The end of the parent is a signal to the child.
static void death_signal(char *self)
{
	int status;
	MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
	show_end("parent", start_role(self, "parent", 0, 0));
	pid_t pid = wait(&status);
	SHOW_BOOL(pid > 0);
	show_status("its child", status);
	MUST(prctl(PR_SET_CHILD_SUBREAPER, 0));
}

static int role(char **argv)
{
	if (!strcmp(argv[1], "middle")) {
		start_role(argv[0], "leaf", 0, 0);
		return 2;
	}
	if (!strcmp(argv[1], "leaf")) {
		sleep_ms(50);
		return 7;
	}
	if (!strcmp(argv[1], "parent")) {
		// Tells when the child has asked for its signal.
		int p[2];
		char c, out[12];
		MUST(pipe(p));
		snprintf(out, sizeof out, "%d", p[1]);
		start_role(argv[0], "mourner", out, 0);
		close(p[1]);
		return read(p[0], &c, 1) == 1 ? 3 : 4;
	}
	MUST(prctl(PR_SET_PDEATHSIG, SIGTERM));
	if (write(atoi(argv[2]), "x", 1) != 1) return 9;
	for (;;) pause();
}

int main(int argc, char **argv)
{
	setvbuf(stdout, 0, _IOLBF, 0);
	if (argc > 1) return role(argv);
	names();
	subreaper(argv[0]);
	death_signal(argv[0]);
	switches();
	return 0;
}

// system, popen, posix_spawn with actions and attributes.
#include "check.h"

static int child(char **argv)
{
	sigset_t mask;
	struct sigaction action;
	char buffer[64];
	if (!strcmp(argv[1], "echo")) {
		ssize_t n = read(0, buffer, sizeof buffer);
		printf("child read %d: [%.*s]\n", (int)n, (int)(n > 0 ? n : 0), buffer);
		return 0;
	}
	MUST(sigprocmask(SIG_BLOCK, 0, &mask));
	SHOW_BOOL(sigismember(&mask, SIGUSR2));
	MUST(sigaction(SIGUSR1, 0, &action));
	SHOW_BOOL(action.sa_handler == SIG_DFL);
	SHOW_BOOL(getpgrp() == getpid());
	return 0;
}

static void by_system(void)
{
	fflush(stdout);
	show_status("true", system("true"));
	show_status("exit 3", system("exit 3"));
	show_status("kill", system("kill -TERM $$"));
	show_status("missing", system("exec ./no-such-program 2>/dev/null"));
	show_status("pipeline", system("echo one two | tr a-z A-Z"));
	show_status("redirection", system("echo text > out; cat out out"));
	show_status("variable", system("x=5; test $((x + 1)) = 6"));
	show_status("substitution", system("test \"$(echo a; echo b)\" = 'a\nb'"));
	SHOW_BOOL(system(0) != 0);
	struct sigaction action;
	MUST(sigaction(SIGINT, 0, &action));
	SHOW_BOOL(action.sa_handler == SIG_DFL);
}

static void by_popen(void)
{
	char line[100];
	fflush(stdout);
	FILE *f = popen("echo from popen; echo second; exit 5", "r");
	while (f && fgets(line, sizeof line, f)) printf("line: %s", line);
	show_status("pclose", pclose(f));
	fflush(stdout);
	f = popen("tr a-z A-Z; exit 1", "w");
	fprintf(f, "to popen\n");
	show_status("pclose", pclose(f));
	SHOW_BOOL(popen("true", "x") == 0 && errno == EINVAL);
}

static void on_signal(int signal)
{
	(void)signal;
}

static void by_posix_spawn(char *self)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t set;
	pid_t pid;
	char *echo[] = { self, (char *)"echo", 0 };
	char *state[] = { self, (char *)"state", 0 };
	char *shell[] = { (char *)"sh", (char *)"-c", (char *)"exit 6", 0 };

	printf("missing: %s\n", error_name(posix_spawn(&pid, "./missing", 0, 0, echo, environ)));
	printf("missing in PATH: %s\n", error_name(posix_spawnp(&pid, "no-such-program", 0, 0, echo, environ)));

	make_file("input", "file input");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "input", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "output", O_WRONLY | O_CREAT | O_TRUNC, 0644);
	MUST(posix_spawn(&pid, self, &actions, 0, echo, environ) ? -1 : 0);
	show_end("with actions", pid);
	show_file("output");
	posix_spawn_file_actions_destroy(&actions);

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "missing/input", O_RDONLY, 0);
	printf("failed action: %s\n", error_name(posix_spawn(&pid, self, &actions, 0, echo, environ)));
	posix_spawn_file_actions_destroy(&actions);

	signal(SIGUSR1, on_signal);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigmask(&attributes, &set);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	posix_spawnattr_setsigdefault(&attributes, &set);
	fflush(stdout);
	MUST(posix_spawn(&pid, self, 0, &attributes, state, environ) ? -1 : 0);
	show_end("with attributes", pid);
	MUST(posix_spawnp(&pid, "sh", 0, 0, shell, environ) ? -1 : 0);
	show_end("sh by PATH", pid);
}

int main(int argc, char **argv)
{
	if (argc > 1) return child(argv);
	setenv("PATH", "/bin:/usr/bin", 1);
	by_system();
	by_popen();
	by_posix_spawn(argv[0]);
	return 0;
}

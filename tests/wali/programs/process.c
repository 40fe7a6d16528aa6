/* Processes: fork, exec with arguments and variables, statuses, the working directory. */
#include "wali.h"

int run(int argc, char **argv)
{
	char buf[256];
	int fds[2], status, value = 1;
	if (argc > 1 && same(argv[1], "again")) {
		say("again: %d <%s> %s\n", (long)argc, argv[2], variables[0]);
		say("%d\n", (long)(variables[1] == 0));
		return 200;
	}
	sys_pipe2(fds, 0);
	int pid = sys_fork();
	if (pid == 0) {
		value = 2;
		sys_dup2(fds[1], 1);
		sys_close(fds[0]);
		say("child of the parent: %d, value %d\n", (long)(sys_getppid() > 0), (long)value);
		char *args[] = {argv[0], "again", "an argument", 0}, *vars[] = {"ONLY=one = two", 0};
		sys_execve(argv[0], args, vars);
		sys_exit_group(99);
	}
	sys_close(fds[1]);
	struct rusage usage;
	SAY(sys_wait4(pid, &status, 0, &usage) == pid);
	say("%x %d %d\n", (long)status, (long)value, (long)(usage.utime.usec < 1000000));
	long n;
	while ((n = sys_read(fds[0], buf, sizeof buf)) > 0) sys_write(1, buf, n);
	/* Several at a time, and what they leave. */
	int sum = 0;
	for (int i = 1; i <= 5; i++)
		if (sys_fork() == 0) sys_exit_group(i);
	while (sys_wait4(-1, &status, 0, 0) > 0) sum += status >> 8;
	SAY(sum);
	SAY(sys_wait4(-1, &status, 0, 0));
	SAY(sys_execve("/nothing/here", argv, variables));
	SAY(sys_chdir("/"));
	SAY(sys_getcwd(buf, sizeof buf));
	say("%s\n", buf);
	SAY(sys_getcwd(buf, 1));
	pid = sys_fork();
	if (pid == 0) {
		pid = sys_fork();
		if (pid == 0) sys_exit_group(3);
		sys_wait4(pid, &status, 0, 0);
		sys_exit_group((status >> 8) + 1);
	}
	sys_wait4(pid, &status, 0, 0);
	SAY(status >> 8);
	sys_kill(sys_getpid(), SIGKILL);
	return 0;
}

/* Arguments, variables, the standard descriptors, and an exit status. */
#include "wali.h"

int run(int argc, char **argv)
{
	char buf[64];
	long n;
	say("hello, %d arguments\n", (long)argc - 1);
	for (int i = 1; i < argc; i++) say("argument %d: <%s>\n", (long)i, argv[i]);
	for (char **v = variables; *v; v++)
		if ((*v)[0] == 'W' && (*v)[1] == '_') say("variable: %s\n", *v);
	while ((n = sys_read(0, buf, sizeof buf)) > 0) sys_write(1, buf, n);
	sys_write(2, "to stderr\n", 10);
	int fd = sys_open("/dev/null", RDONLY, 0);
	SAY(fd);
	return 7;
}

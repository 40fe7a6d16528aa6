// The smallest program: arguments, environment, formatted output, exit status.
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	printf("hello, world: %d argument%s\n", argc, argc == 1 ? "" : "s");
	printf("%.17g %Lg %lu %zu\n", 3.14, 1e300L * 1e10L, 4000000000ul, sizeof(int));
	return argc > 1 ? atoi(argv[1]) : 7;
}

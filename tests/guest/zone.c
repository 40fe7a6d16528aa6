// Time zones that TZ describes itself, and what brackets of regular expressions name.
#include "check.h"
#include <regex.h>

// The two names of a zone, and times at which the summer begins and ends. No machine has a file of this zone's name.
static void show_zone(const char *zone)
{
	static const time_t times[] = { 0, 1275250155, 1293840000, 1299999599, 1299999600, 1320559199, 1320559200 };
	setenv("TZ", zone, 1);
	tzset();
	printf("%s: %s %s\n", zone, tzname[0], daylight ? tzname[1] : "all year");
	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		char text[64];
		strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %Z %z", localtime(&times[i]));
		printf("  %lld %s\n", (long long)times[i], text);
	}
}

static void show_match(const char *pattern, const char *text)
{
	regex_t regex;
	int error = regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB);
	if (error == REG_ECOLLATE) {
		printf("%s: no such element\n", pattern);
	} else if (error != 0) {
		printf("%s: no pattern\n", pattern);
	} else {
		printf("%s %s: %s\n", pattern, text, regexec(&regex, text, 0, NULL, 0) == 0 ? "yes" : "no");
		regfree(&regex);
	}
}

int main(void)
{
	show_zone("XYZ5XYD");
	show_zone("XYZ5XYD4");
	show_zone("XYZ5XYD,M4.1.0,M10.5.0");
	show_zone("XYZ-1");

	puts("-- elements");
	show_match("^[[=d=]]og$", "dog");
	show_match("^[[=D=]]og$", "dog");
	show_match("^[^[=d=]]og$", "dog");
	show_match("^[[.d.][.D.]]og$", "dog");
	show_match("^[[.a.]-[.e.]]og$", "dog");
	show_match("^[a-[.c.]]og$", "dog");
	show_match("^[[.-.]x]$", "-");
	show_match("^[[.].]x]$", "]");
	show_match("^[[=]=]x]$", "]");
	show_match("^\\x$", "x");
	show_match("[[.no such element.]]", "x");
	show_match("[[=no such element=]]", "x");
	return 0;
}

// Settings of terminals: what they are at first, what may be set, and what they do to bytes.
#include "terminal.h"
#include <time.h>

// The kernel's structure, with speeds in baud; libc has another.
struct settings2 {
	uint32_t iflag, oflag, cflag, lflag;
	uint8_t line, cc[19];
	uint32_t ispeed, ospeed;
};
#define GET2 0x802c542a
#define SET2 0x402c542b
#define OTHER_SPEED 010000

static int master, slave;

static void show_settings(const char *what)
{
	struct termios settings;
	MUST(tcgetattr(slave, &settings));
	printf("%s: %o %o %o %o, line %d,", what, settings.c_iflag, settings.c_oflag, settings.c_cflag,
	       settings.c_lflag, settings.c_line);
	for (int i = 0; i < 17; i++) printf(" %d", settings.c_cc[i]);
	printf("\n");
}

static void settings_of(const char *what, tcflag_t iflag, tcflag_t oflag, tcflag_t lflag)
{
	set_flags(slave, iflag, oflag, lflag);
	printf("%s\n", what);
}

// Sets one of the special characters.
static void set_cc(int which, int value)
{
	struct termios settings;
	MUST(tcgetattr(slave, &settings));
	settings.c_cc[which] = value;
	MUST(tcsetattr(slave, TCSANOW, &settings));
}

static void codec(void)
{
	struct termios settings, back;
	show_settings("at first");
	MUST(tcgetattr(slave, &settings));
	printf("speed %d\n", cfgetospeed(&settings) == B38400);
	cfmakeraw(&settings);
	settings.c_cflag = CS7 | PARENB | CSTOPB | B9600;
	settings.c_cc[VINTR] = 7;
	MUST(tcsetattr(slave, TCSADRAIN, &settings));
	show_settings("raw");
	// The master has the same.
	MUST(tcgetattr(master, &back));
	SHOW_BOOL(back.c_lflag == settings.c_lflag && back.c_cc[VINTR] == 7);
	struct settings2 two;
	MUST(ioctl(slave, GET2, &two));
	printf("%u %u\n", two.ispeed, two.ospeed);
	two.cflag = (two.cflag & ~(uint32_t)CBAUD) | OTHER_SPEED;
	two.ospeed = 12345;
	MUST(ioctl(slave, SET2, &two));
	memset(&two, 0, sizeof two);
	MUST(ioctl(slave, GET2, &two));
	printf("%u %u\n", two.ispeed, two.ospeed);
	two.cflag = (two.cflag & ~(uint32_t)CBAUD) | B115200 | B9600 << 16;
	MUST(ioctl(slave, SET2, &two));
	MUST(ioctl(slave, GET2, &two));
	printf("%u %u\n", two.ispeed, two.ospeed);
	SHOW(tcsetattr(slave, 17, &settings));
	SHOW(ioctl(slave, TCGETS, BAD_POINTER));
	SHOW(ioctl(slave, TCSETS, BAD_POINTER));
	int line = 9;
	SHOW(ioctl(slave, TIOCGETD, &line));
	printf("line discipline %d\n", line);
}

#define COOKED_IN (ICRNL | IXON)
#define COOKED_OUT (OPOST | ONLCR)
#define COOKED (ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN)

static void editing(void)
{
	settings_of("cooked", COOKED_IN, COOKED_OUT, COOKED);
	MUST(tcflush(slave, TCIOFLUSH));
	put(master, "one two\x17three\r");
	take("word erased", slave, 10);
	put(master, "gone\x15kept\r");
	take("line killed", slave, 5);
	put(master, "a\x16\x03\r");
	take("literal", slave, 3);
	put(master, "ab\x12" "c\r");
	take("reprinted", slave, 4);
	put(master, "\xc3\xa4\x7fz\r");
	take("byte erased", slave, 3);
	settings_of("utf-8", COOKED_IN | IUTF8, COOKED_OUT, COOKED);
	put(master, "\xc3\xa4\x7fz\r");
	take("character erased", slave, 2);
	settings_of("no extensions", COOKED_IN, COOKED_OUT, COOKED & ~IEXTEN);
	put(master, "one\x17\x16\r");
	take("plain", slave, 6);
	settings_of("cooked", COOKED_IN, COOKED_OUT, COOKED);
	set_cc(VEOL, ';');
	set_cc(VEOL2, '!');
	put(master, "a;b!c\r");
	take_once("to VEOL", slave, 99);
	take_once("to VEOL2", slave, 99);
	take_once("to NL", slave, 99);
	set_cc(VEOL, 0);
	set_cc(VEOL2, 0);
	set_cc(VEOF, 'e');
	put(master, "abe");
	take_once("to VEOF", slave, 99);
	set_cc(VEOF, 4);
	MUST(tcflush(master, TCIFLUSH));
	put(master, "x\x01\x1b\x7f\r");
	take("control", slave, 3);
	take("its echo", master, 13);
	settings_of("dark", COOKED_IN, COOKED_OUT, COOKED & ~ECHO);
	put(master, "secret\r");
	take("secret", slave, 7);
	silence("echo", master);
	settings_of("dark but NL", COOKED_IN, COOKED_OUT, (COOKED & ~ECHO) | ECHONL);
	put(master, "secret\r");
	take("secret", slave, 7);
	take("echo", master, 2);
	settings_of("marked", COOKED_IN | PARMRK, COOKED_OUT, COOKED & ~ECHO & ~ICANON);
	put(master, "a\xff" "b");
	take("doubled", slave, 4);
	silence("more", slave);
}

static void output(void)
{
	settings_of("expanded", COOKED_IN, OPOST | ONLCR | TAB3, COOKED);
	MUST(tcflush(master, TCIFLUSH));
	put(slave, "a\tb\tc\n");
	take("tabs", master, 19);
	settings_of("upper case", COOKED_IN, OPOST | OLCUC | OCRNL, COOKED);
	put(slave, "abc\r");
	take("upper", master, 4);
	settings_of("no CR at column 0", COOKED_IN, OPOST | ONOCR | ONLRET, COOKED);
	put(slave, "\n\rab\rc\n");
	take("output", master, 6);
	silence("more", master);
	settings_of("plain", COOKED_IN, 0, COOKED);
	put(slave, "a\tb\n");
	take("as it is", master, 4);
}

static void input_modes(void)
{
	settings_of("no CR", IGNCR, 0, ICANON);
	put(master, "a\rb\n");
	take("without", slave, 3);
	settings_of("NL to CR", INLCR, 0, 0);
	put(master, "a\nb\r");
	take("swapped", slave, 4);
	settings_of("seven bits", ISTRIP, 0, 0);
	put(master, "\xe1\xe2");
	take("stripped", slave, 2);
	settings_of("lower case", IUCLC, 0, IEXTEN);
	put(master, "ABC");
	take("lower", slave, 3);
}

static void flow(void)
{
	settings_of("flow keys", IXON, 0, ICANON);
	put(master, "\x13");
	sleep_ms(SILENCE);
	MUST(fcntl(slave, F_SETFL, O_NONBLOCK));
	SHOW(write(slave, "x", 1));
	SHOW_BOOL(comes(slave, POLLOUT, 0));
	put(master, "z");
	sleep_ms(SILENCE);
	SHOW(write(slave, "x", 1));
	put(master, "\x11");
	SHOW_BOOL(comes(slave, POLLOUT, PATIENCE));
	SHOW(write(slave, "x", 1));
	take("after", master, 1);
	settings_of("any key", IXON | IXANY, 0, ICANON);
	put(master, "\x13");
	sleep_ms(SILENCE);
	SHOW(write(slave, "x", 1));
	put(master, "z");
	SHOW_BOOL(comes(slave, POLLOUT, PATIENCE));
	SHOW(write(slave, "y", 1));
	take("after", master, 1);
	MUST(tcflow(slave, TCOOFF));
	// No key undoes what the program said.
	put(master, "\x11");
	sleep_ms(SILENCE);
	SHOW(write(slave, "x", 1));
	MUST(tcflow(slave, TCOON));
	SHOW(write(slave, "w", 1));
	take("after", master, 1);
	MUST(tcflow(slave, TCIOFF));
	MUST(tcflow(slave, TCION));
	take("keys for the other side", master, 2);
	set_cc(VSTOP, 0);
	MUST(tcflow(slave, TCIOFF));
	silence("without a key", master);
	MUST(tcflush(slave, TCIFLUSH));
	MUST(fcntl(slave, F_SETFL, 0));
}

static void timed(void)
{
	char bytes[99];
	settings_of("raw", 0, 0, 0);
	set_cc(VMIN, 0);
	set_cc(VTIME, 0);
	SHOW(read(slave, bytes, sizeof bytes));
	put(master, "abc");
	SHOW_BOOL(comes(slave, POLLIN, PATIENCE));
	take_once("polled", slave, 99);
	set_cc(VTIME, 1);
	SHOW(read(slave, bytes, sizeof bytes));
	set_cc(VMIN, 3);
	put(master, "ab");
	sleep_ms(SILENCE);
	SHOW(read(slave, bytes, sizeof bytes));
	put(master, "abcd");
	sleep_ms(SILENCE);
	SHOW(read(slave, bytes, 2));
	SHOW(read(slave, bytes, sizeof bytes));
	set_cc(VTIME, 0);
	put(master, "ab");
	sleep_ms(SILENCE);
	silence("too few", slave);
	put(master, "c");
	take_once("enough", slave, 99);
	MUST(fcntl(slave, F_SETFL, O_NONBLOCK));
	SHOW(read(slave, bytes, sizeof bytes));
	put(master, "ab");
	sleep_ms(SILENCE);
	SHOW(read(slave, bytes, sizeof bytes));
	MUST(fcntl(slave, F_SETFL, 0));
}

static void changes(void)
{
	int n;
	struct termios settings;
	settings_of("cooked", 0, 0, ICANON);
	put(master, "no end");
	sleep_ms(SILENCE);
	MUST(ioctl(slave, FIONREAD, &n));
	printf("readable: %d\n", n);
	settings_of("raw", 0, 0, 0);
	set_cc(VMIN, 1);
	take("what was typed", slave, 6);
	put(master, "raw");
	SHOW_BOOL(comes(slave, POLLIN, PATIENCE));
	settings_of("cooked", 0, 0, ICANON);
	take_once("what was there", slave, 99);
	put(master, "ab\ncd\n");
	SHOW_BOOL(comes(slave, POLLIN, PATIENCE));
	sleep_ms(SILENCE);
	MUST(tcgetattr(slave, &settings));
	MUST(tcsetattr(slave, TCSADRAIN, &settings));
	take_once("after TCSADRAIN", slave, 99);
	MUST(tcsetattr(slave, TCSAFLUSH, &settings));
	silence("after TCSAFLUSH", slave);
}

int main(void)
{
	open_pair(&master, &slave);
	codec();
	editing();
	output();
	input_modes();
	flow();
	timed();
	changes();
	return 0;
}

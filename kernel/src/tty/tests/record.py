#!/usr/bin/env python3
"""Plays scripts.txt on a real pseudo-terminal of Linux and prints what it answers.

    python3 record.py < scripts.txt > recorded.txt

A script is a line `name | settings | steps`, separated by blanks inside a field.
Settings: `+FLAG`, `-FLAG`, `CC=number`. Steps: `<text` types, `>text` the program writes, `!settings`
changes settings (as tcsetattr TCSANOW does), `rN` reads up to N bytes, `f` asks FIONREAD. Text has Python's
escapes; a blank is `\\x20`. The answer: `name | screen | results of the steps | signals`.
"""
import fcntl
import os
import signal
import struct
import sys
import termios
import time
import tty

FIELDS = {0: "iflag", 1: "oflag", 3: "lflag"}
EXTRA = {"IUCLC": (0, 0o1000), "IUTF8": (0, 0o40000), "OLCUC": (1, 0o2), "IXANY": (0, 0o4000),
         "ECHOPRT": (3, 0o2000), "ECHOCTL": (3, 0o1000), "ECHOKE": (3, 0o4000)}
OUTPUT = {"OPOST", "ONLCR", "OCRNL", "ONOCR", "ONLRET", "TAB3"}
INPUT = {"ISTRIP", "INLCR", "IGNCR", "ICRNL", "IXON"}


def apply(slave, settings):
    attributes = termios.tcgetattr(slave)
    for word in settings:
        if "=" in word:
            name, value = word.split("=")
            value = int(value)
            index = getattr(termios, name)
            attributes[6][index] = bytes([value])
            continue
        name = word[1:]
        if name in EXTRA:
            field, bit = EXTRA[name]
        else:
            field = 1 if name in OUTPUT else 0 if name in INPUT else 3
            bit = getattr(termios, name)
        attributes[field] = attributes[field] | bit if word[0] == "+" else attributes[field] & ~bit
    for index in (termios.VMIN, termios.VTIME):
        if isinstance(attributes[6][index], int):
            attributes[6][index] = bytes([attributes[6][index]])
    termios.tcsetattr(slave, termios.TCSANOW, attributes)


def unescape(text):
    return text.encode().decode("unicode_escape").encode("latin-1")


def escape(data):
    return "".join(chr(b) if 33 <= b < 127 and b not in (0x5c, 0x7c) else f"\\x{b:02x}" for b in data)


def drain(master):
    seen = b""
    time.sleep(0.02)
    while True:
        try:
            data = os.read(master, 65536)
        except BlockingIOError:
            return seen
        seen += data


def play(line):
    name, settings, steps = (field.strip() for field in line.split("|"))
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in (master, slave):
        os.set_blocking(fd, False)
    # The defaults of a new terminal; IUTF8 as terminal emulators set it.
    apply(slave, ["+IUTF8"] + settings.split())
    screen, results, signals = b"", [], []
    names = {signal.SIGINT: "INT", signal.SIGQUIT: "QUIT", signal.SIGTSTP: "TSTP"}
    for number in names:
        signal.signal(number, lambda number, _frame: signals.append(names[number]))
    for step in steps.split():
        kind, rest = step[0], step[1:]
        if kind == "<":
            os.write(master, unescape(rest))
            screen += drain(master)
        elif kind == ">":
            try:
                results.append(f"w{os.write(slave, unescape(rest))}")
            except BlockingIOError:
                results.append("again")
            screen += drain(master)
        elif kind == "!":
            apply(slave, rest.split(","))
        elif kind == "r":
            try:
                results.append("=" + escape(os.read(slave, int(rest))))
            except BlockingIOError:
                results.append("again")
        elif kind == "f":
            count = fcntl.ioctl(slave, termios.FIONREAD, struct.pack("i", 0))
            results.append(f"f{struct.unpack('i', count)[0]}")
        screen += drain(master)
    fcntl.ioctl(slave, termios.TIOCNOTTY)
    os.close(slave)
    os.close(master)
    return f"{name} | {escape(screen)} | {' '.join(results)} | {' '.join(signals)}"


def main():
    lines = [line for line in sys.stdin.read().splitlines() if line and line[0] != "#"]
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCONT, signal.SIG_IGN)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        for line in lines:
            print(play(line), flush=True)
        os._exit(0)
    os.wait()


main()

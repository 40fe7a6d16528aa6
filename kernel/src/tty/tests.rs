//! Terminals against scripts of keystrokes that were played on Linux first (`tests/record.py`).

#![expect(clippy::arithmetic_side_effects, reason = "a panic is a failed test")]

use std::sync::Arc;

use abi::flags::{
    ECHO, ECHOCTL, ECHOE, ECHOK, ECHOKE, ECHONL, ECHOPRT, FIONREAD, ICANON, ICRNL, IEXTEN, IGNCR,
    INLCR, ISIG, ISTRIP, IUCLC, IXANY, IXON, NOFLSH, OCRNL, OLCUC, ONLCR, ONLRET, ONOCR, OPOST,
    TAB3, TCFLSH, TCGETS, TCIFLUSH, TCOOFF, TCOON, TCSETS, TCXONC, TIOCGPGRP, TIOCGWINSZ,
    TIOCNOTTY, TIOCSCTTY, TIOCSPGRP, TIOCSTI, TIOCSWINSZ, VEOL, VEOL2, VERASE, VINTR, VMIN, VTIME,
};
use abi::limits::N_TTY_BUF_SIZE;
use abi::{Errno, Result};
use fs::io::{Stall, Try, VecSink};
use fs::vfs::file::{Events, FileOps, GuestMemory};

use super::*;

const ID: u64 = 0x401;
const GROUP: Pid = 100;

/// A host that keeps what it gets.
#[derive(Debug, Default)]
struct Screen(Lock<ScreenState>);

#[derive(Debug, Default)]
struct ScreenState {
    shown: Vec<u8>,
    signals: Vec<(Pid, Signal)>,
    now_ns: u64,
    /// How many more bytes it takes; `None`: all.
    room: Option<usize>,
}

impl TtyHost for Screen {
    fn write(&self, bytes: &[u8]) -> usize {
        let mut state = self.0.lock();
        let count = bytes.len().min(state.room.unwrap_or(usize::MAX));
        state.room = state.room.map(|room| room - count);
        state.shown.extend_from_slice(&bytes[..count]);
        count
    }

    fn signal_group(&self, group: Pid, signal: Signal) {
        self.0.lock().signals.push((group, signal));
    }

    fn now_ns(&self) -> u64 {
        self.0.lock().now_ns
    }
}

fn terminal() -> (Arc<Tty>, Arc<Screen>) {
    let screen = Arc::new(Screen::default());
    let host: Arc<dyn TtyHost> = screen.clone();
    let tty = Tty::new(ID, host);
    tty.attach(GROUP);
    (tty, screen)
}

fn read(tty: &Tty, limit: usize) -> Try<Vec<u8>> {
    let mut sink = VecSink::new(limit);
    tty.try_read(&mut sink)?;
    Ok(sink.bytes)
}

/// Guest memory of 64 bytes.
#[derive(Debug, Default)]
struct Memory(Lock<[[u8; 32]; 2]>);

impl GuestMemory for Memory {
    fn copy_in(&self, address: u32, bytes: &mut [u8]) -> Result<()> {
        let address = usize::try_from(address).unwrap();
        let memory = self.0.lock();
        let end = address.checked_add(bytes.len()).ok_or(Errno::EFAULT)?;
        bytes.copy_from_slice(
            memory
                .as_flattened()
                .get(address..end)
                .ok_or(Errno::EFAULT)?,
        );
        Ok(())
    }

    fn copy_out(&self, address: u32, bytes: &[u8]) -> Result<()> {
        let address = usize::try_from(address).unwrap();
        let mut memory = self.0.lock();
        let end = address.checked_add(bytes.len()).ok_or(Errno::EFAULT)?;
        let place = memory
            .as_flattened_mut()
            .get_mut(address..end)
            .ok_or(Errno::EFAULT)?;
        place.copy_from_slice(bytes);
        Ok(())
    }
}

impl Memory {
    fn word(&self, address: usize) -> i32 {
        let memory = self.0.lock();
        i32::from_le_bytes(
            memory.as_flattened()[address..address + 4]
                .try_into()
                .unwrap(),
        )
    }
}

fn apply(termios: &mut Termios, settings: &str) {
    for word in settings.split([' ', ',']).filter(|word| !word.is_empty()) {
        if let Some((name, value)) = word.split_once('=') {
            let index = match name {
                "VEOL" => VEOL,
                "VEOL2" => VEOL2,
                "VERASE" => VERASE,
                "VINTR" => VINTR,
                "VMIN" => VMIN,
                "VTIME" => VTIME,
                _ => panic!("unknown character {name}"),
            };
            termios.cc[index] = value.parse().unwrap();
            continue;
        }
        let (field, flag) = match &word[1..] {
            "ISTRIP" => (&mut termios.iflag, ISTRIP),
            "INLCR" => (&mut termios.iflag, INLCR),
            "IGNCR" => (&mut termios.iflag, IGNCR),
            "ICRNL" => (&mut termios.iflag, ICRNL),
            "IUCLC" => (&mut termios.iflag, IUCLC),
            "IXON" => (&mut termios.iflag, IXON),
            "IXANY" => (&mut termios.iflag, IXANY),
            "IUTF8" => (&mut termios.iflag, abi::flags::IUTF8),
            "OPOST" => (&mut termios.oflag, OPOST),
            "OLCUC" => (&mut termios.oflag, OLCUC),
            "ONLCR" => (&mut termios.oflag, ONLCR),
            "OCRNL" => (&mut termios.oflag, OCRNL),
            "ONOCR" => (&mut termios.oflag, ONOCR),
            "ONLRET" => (&mut termios.oflag, ONLRET),
            "TAB3" => (&mut termios.oflag, TAB3),
            "ISIG" => (&mut termios.lflag, ISIG),
            "ICANON" => (&mut termios.lflag, ICANON),
            "ECHO" => (&mut termios.lflag, ECHO),
            "ECHOE" => (&mut termios.lflag, ECHOE),
            "ECHOK" => (&mut termios.lflag, ECHOK),
            "ECHONL" => (&mut termios.lflag, ECHONL),
            "ECHOCTL" => (&mut termios.lflag, ECHOCTL),
            "ECHOPRT" => (&mut termios.lflag, ECHOPRT),
            "ECHOKE" => (&mut termios.lflag, ECHOKE),
            "NOFLSH" => (&mut termios.lflag, NOFLSH),
            "IEXTEN" => (&mut termios.lflag, IEXTEN),
            name => panic!("unknown flag {name}"),
        };
        *field = if word.starts_with('+') {
            *field | flag
        } else {
            *field & !flag
        };
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes().iter();
    while let Some(&byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next().unwrap() {
            b'n' => bytes.push(b'\n'),
            b'r' => bytes.push(b'\r'),
            b't' => bytes.push(b'\t'),
            b'x' => {
                let digits = [*rest.next().unwrap(), *rest.next().unwrap()];
                let digits = std::str::from_utf8(&digits).unwrap();
                bytes.push(u8::from_str_radix(digits, 16).unwrap());
            }
            other => panic!("unknown escape {other}"),
        }
    }
    bytes
}

fn escape(bytes: &[u8]) -> String {
    let escaped = bytes.iter().map(|&byte| match byte {
        b'\\' | b'|' => format!("\\x{byte:02x}"),
        33..127 => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    });
    escaped.collect()
}

/// Plays a script as `record.py` does on Linux.
fn play(line: &str) -> String {
    let fields: Vec<&str> = line.split('|').map(str::trim).collect();
    let (tty, screen) = terminal();
    let memory = Memory::default();
    let mut termios = tty.termios();
    apply(&mut termios, fields[1]);
    tty.set_termios(termios);
    let mut results = Vec::new();
    for step in fields[2].split_whitespace() {
        let (kind, rest) = step.split_at(1);
        match kind {
            "<" => {
                let bytes = unescape(rest);
                assert_eq!(tty.input(&bytes), bytes.len());
            }
            ">" => results.push(match tty.try_write(&mut unescape(rest).as_slice()) {
                Ok(count) => format!("w{count}"),
                Err(_) => "again".to_owned(),
            }),
            "!" => {
                apply(&mut termios, rest);
                tty.set_termios(termios);
            }
            "r" => results.push(match read(&tty, rest.parse().unwrap()) {
                Ok(bytes) => format!("={}", escape(&bytes)),
                Err(_) => "again".to_owned(),
            }),
            "f" => {
                tty.ioctl(FIONREAD, 0, &memory).unwrap();
                results.push(format!("f{}", memory.word(0)));
            }
            _ => panic!("unknown step {step}"),
        }
    }
    let state = screen.0.lock();
    let signals: Vec<&str> = state
        .signals
        .iter()
        .map(|(_, signal)| signal.name().trim_start_matches("SIG"))
        .collect();
    let (shown, results) = (escape(&state.shown), results.join(" "));
    format!(
        "{} | {shown} | {results} | {}",
        fields[0],
        signals.join(" ")
    )
}

#[test]
fn scripts_end_as_recorded_on_linux() {
    let scripts = include_str!("tests/scripts.txt")
        .lines()
        .filter(|line| !line.starts_with('#'));
    let recorded = include_str!("tests/recorded.txt").lines();
    let differing: Vec<String> = scripts
        .zip(recorded)
        .map(|(script, expected)| (play(script), expected))
        .filter(|(actual, expected)| actual.trim_end() != expected.trim_end())
        .map(|(actual, expected)| format!("ours:  {actual}\nLinux: {expected}\n"))
        .collect();
    assert!(differing.is_empty(), "\n{}", differing.join("\n"));
}

#[test]
fn line_longer_than_the_buffer_keeps_its_end() {
    let (tty, _) = terminal();
    assert_eq!(tty.input(&[b'a'; 5000]), 5000);
    assert_eq!(tty.input(b"z\n"), 2);
    let line = read(&tty, 9999).unwrap();
    assert_eq!(line.len(), 4096);
    assert_eq!(line[4094..], *b"z\n");
}

#[test]
fn full_buffer_of_lines_pushes_back() {
    let (tty, _) = terminal();
    let lines = b"1234567\n".repeat(600);
    let taken = tty.input(&lines);
    assert_eq!(taken, 4095);
    assert!(!tty.has_room());
    assert_eq!(read(&tty, 99).unwrap(), b"1234567\n");
    assert_eq!(tty.input(&lines[taken..]), 8);
}

#[test]
fn ends_of_file_that_nobody_reads_fill_the_buffer_too() {
    let (tty, _screen) = terminal();
    let taken = tty.input(&[4; 3 * N_TTY_BUF_SIZE]);
    assert_eq!(taken, N_TTY_BUF_SIZE);
    assert!(!tty.has_room());
    assert_eq!(read(&tty, 10), Ok(Vec::new()));
    assert_eq!(tty.input(b"\x04\x04"), 1);
}

#[test]
fn slow_host_makes_writers_wait_and_loses_nothing() {
    let (tty, screen) = terminal();
    screen.0.lock().room = Some(10);
    let bytes = vec![b'x'; 100_000];
    let mut source = bytes.as_slice();
    let first = tty.try_write(&mut source).unwrap();
    assert!(first < 20_000);
    assert_eq!(tty.try_write(&mut source), Err(Stall::WouldBlock));
    assert_eq!(tty.events(), Events::empty());
    let (waker, wakes) = crate::poll::tests::counting_waker();
    let _registration = tty.changed.register(&waker);
    screen.0.lock().room = None;
    tty.output_ready();
    assert_eq!(wakes.load(std::sync::atomic::Ordering::Relaxed), 1);
    assert_eq!(tty.try_write(&mut source), Ok(100_000 - first));
    assert_eq!(screen.0.lock().shown.len(), 100_000);
}

#[test]
fn hang_up_ends_reads_and_fails_writes() {
    let (tty, _) = terminal();
    let memory = Memory::default();
    let file = tty.open().unwrap();
    tty.input(b"lost\n");
    let had_it = HungUp {
        session: Some(GROUP),
        foreground: Some(GROUP),
    };
    assert_eq!(tty.hang_up(), had_it);
    let mut sink = VecSink::new(9);
    assert_eq!(file.try_read(&mut sink), Ok(0));
    assert_eq!(file.try_write(&mut b"x".as_slice()), Err(Errno::EIO.into()));
    assert!(file.events().intersects(Events::HUP));
    let ask = |request| file.ioctl(request, 0, &memory).unwrap_err().errno;
    assert_eq!((ask(TCGETS), ask(TIOCSPGRP)), (Errno::EIO, Errno::ENOTTY));
    let again = tty.open().unwrap();
    tty.input(b"new\n");
    assert_eq!(again.try_read(&mut sink), Ok(4));
    assert_eq!(tty.disconnect(), HungUp::default());
    assert_eq!(tty.open().unwrap_err().errno, Errno::EIO);
}

#[test]
fn read_timers_follow_vmin_and_vtime() {
    let (tty, screen) = terminal();
    let mut termios = tty.termios();
    apply(&mut termios, "-ICANON VMIN=3 VTIME=2");
    tty.set_termios(termios);
    assert_eq!(read(&tty, 9), Err(Stall::WouldBlock));
    assert_eq!(tty.read_deadline_ns(50), None);
    screen.0.lock().now_ns = 1000;
    tty.input(b"ab");
    assert_eq!(read(&tty, 9), Err(Stall::WouldBlock));
    assert_eq!(tty.read_deadline_ns(50), Some(200_001_000));
    screen.0.lock().now_ns = 200_001_000;
    assert_eq!(read(&tty, 9), Ok(b"ab".to_vec()));
    apply(&mut termios, "VMIN=0");
    tty.set_termios(termios);
    assert_eq!(read(&tty, 9), Err(Stall::WouldBlock));
    assert_eq!(tty.read_deadline_ns(50), Some(200_000_050));
}

#[test]
fn read_that_may_not_wait_gives_less_than_vmin() {
    let (tty, _screen) = terminal();
    let mut sink = VecSink::new(9);
    tty.input(b"ab");
    assert_eq!(tty.try_read_part(&mut sink), Err(Stall::WouldBlock));
    let mut termios = tty.termios();
    apply(&mut termios, "-ICANON VMIN=3");
    tty.set_termios(termios);
    assert_eq!(tty.try_read(&mut sink), Err(Stall::WouldBlock));
    assert_eq!(tty.try_read_part(&mut sink), Ok(2));
    assert_eq!(tty.try_read_part(&mut sink), Err(Stall::WouldBlock));
}

#[test]
fn window_size_changes_are_told_once() {
    let (tty, screen) = terminal();
    let memory = Memory::default();
    let window = WindowSize {
        rows: 24,
        columns: 80,
        ..WindowSize::default()
    };
    tty.set_window_size(window);
    tty.set_window_size(window);
    assert_eq!(screen.0.lock().signals, [(GROUP, Signal::SIGWINCH)]);
    tty.ioctl(TIOCGWINSZ, 8, &memory).unwrap();
    assert_eq!(memory.word(8), 24 | 80 << 16);
    tty.ioctl(TIOCSWINSZ, 0, &memory).unwrap();
    assert_eq!(tty.window_size(), WindowSize::default());
}

#[test]
fn settings_travel_through_ioctl() {
    let (tty, _) = terminal();
    let memory = Memory::default();
    tty.ioctl(TCGETS, 4, &memory).unwrap();
    let iflag = u32::try_from(memory.word(4)).unwrap();
    assert_eq!(iflag & ICRNL, ICRNL);
    memory.copy_out(4, &(iflag & !ICRNL).to_le_bytes()).unwrap();
    tty.ioctl(TCSETS, 4, &memory).unwrap();
    assert!(!tty.termios().has_input(ICRNL));
    assert_eq!(
        tty.ioctl(TCGETS, 40, &memory).unwrap_err().errno,
        Errno::EFAULT
    );
    assert_eq!(
        tty.ioctl(0x1234, 0, &memory).unwrap_err().errno,
        Errno::ENOTTY
    );
}

#[test]
fn flow_and_flush_requests_work() {
    let (tty, screen) = terminal();
    let memory = Memory::default();
    tty.ioctl(TCXONC, TCOOFF, &memory).unwrap();
    assert_eq!(tty.try_write(&mut b"x".as_slice()), Err(Stall::WouldBlock));
    tty.input(b"ab\n");
    assert!(screen.0.lock().shown.is_empty());
    tty.ioctl(TCXONC, TCOON, &memory).unwrap();
    assert_eq!(screen.0.lock().shown, b"ab\r\n");
    tty.ioctl(TCFLSH, TCIFLUSH, &memory).unwrap();
    assert_eq!(read(&tty, 9), Err(Stall::WouldBlock));
    assert_eq!(
        tty.ioctl(TCFLSH, 9, &memory).unwrap_err().errno,
        Errno::EINVAL
    );
}

#[test]
fn job_control_requests_check_who_asks() {
    let (tty, screen) = terminal();
    let memory = Memory::default();
    let leader = Caller {
        pid: GROUP,
        group: GROUP,
        session: GROUP,
        terminal: Some(ID),
        is_privileged: false,
    };
    let ask = |caller: &Caller, request| {
        tty.job_control_ioctl(caller, request, 0, &memory, &|group| match group {
            101 => Ok(true),
            102 => Ok(false),
            _ => Err(Errno::ESRCH.into()),
        })
        .unwrap()
    };
    assert_eq!(ask(&leader, TIOCSTI).unwrap_err().errno, Errno::EIO);
    let root = Caller {
        is_privileged: true,
        ..leader
    };
    memory.copy_out(0, b"t").unwrap();
    assert_eq!(ask(&root, TIOCSTI), Ok(Effect::None));
    tty.input(b"yped\n");
    assert_eq!(read(&tty, 9), Ok(b"typed\n".to_vec()));
    assert_eq!(ask(&leader, TIOCGPGRP), Ok(Effect::None));
    assert_eq!(memory.word(0), GROUP);
    assert_eq!(ask(&leader, TIOCSPGRP).unwrap_err().errno, Errno::ESRCH);
    memory.copy_out(0, &102_i32.to_le_bytes()).unwrap();
    assert_eq!(ask(&leader, TIOCSPGRP).unwrap_err().errno, Errno::EPERM);
    memory.copy_out(0, &101_i32.to_le_bytes()).unwrap();
    assert_eq!(ask(&leader, TIOCSPGRP), Ok(Effect::None));
    tty.input(b"\x03");
    assert_eq!(screen.0.lock().signals, [(101, Signal::SIGINT)]);
    assert!(tty.is_background(&leader));
    assert!(!tty.is_background(&Caller {
        group: 101,
        ..leader
    }));
    let stranger = Caller {
        pid: 7,
        group: 7,
        session: 7,
        terminal: None,
        ..leader
    };
    assert_eq!(ask(&stranger, TIOCGPGRP).unwrap_err().errno, Errno::ENOTTY);
    assert_eq!(ask(&stranger, TIOCSCTTY).unwrap_err().errno, Errno::EPERM);
    let released = Effect::Released { hung_up: Some(101) };
    assert_eq!(ask(&leader, TIOCNOTTY), Ok(released));
    assert_eq!(
        ask(&stranger, TIOCSCTTY),
        Ok(Effect::Acquired { stolen_from: None })
    );
    assert_eq!(tty.session(), (Some(7), Some(7)));
    assert!(
        tty.job_control_ioctl(&leader, TCGETS, 0, &memory, &|_| Ok(true))
            .is_none()
    );
}

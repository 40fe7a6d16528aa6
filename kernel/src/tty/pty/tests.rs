//! A pair with a program at each side.

use std::sync::atomic::Ordering;

use abi::flags::{PARENB, TIOCGWINSZ, TIOCSWINSZ};
use executor::sync::Lock;
use fs::io::VecSink;

use super::screen::SCREEN_CAPACITY;
use super::*;
use crate::poll::tests::counting_waker;
use crate::testing::FakeMemory;

#[derive(Default)]
struct Owner {
    signals: Lock<Vec<(Pid, Signal)>>,
    closed: Lock<Vec<(u32, HungUp)>>,
}

impl PtyOwner for Owner {
    fn signal_group(&self, group: Pid, signal: Signal) {
        self.signals.lock().push((group, signal));
    }

    fn now_ns(&self) -> u64 {
        0
    }

    fn master_closed(&self, number: u32, hung_up: HungUp) {
        self.closed.lock().push((number, hung_up));
    }
}

fn pair() -> (Arc<PtyMaster>, Arc<dyn FileOps>, Arc<Owner>) {
    let owner = Arc::new(Owner::default());
    let master = PtyMaster::new(3, Arc::<Owner>::clone(&owner));
    master.screen.state.lock().is_locked = false;
    let slave = master.tty().open().unwrap();
    master.tty().attach(100);
    (master, slave, owner)
}

fn read(file: &dyn FileOps) -> Try<String> {
    let mut sink = VecSink::new(100);
    file.try_read(&mut sink)?;
    Ok(String::from_utf8(sink.bytes).unwrap())
}

#[test]
fn lines_go_in_and_echoes_and_output_come_out() {
    let (master, slave, owner) = pair();
    let (waker, wakes) = counting_waker();
    let _registration = master.wait_queue().unwrap().register(&waker);
    assert_eq!(read(&*master), Err(Stall::WouldBlock));
    assert_eq!(master.try_write(&mut b"ls\r".as_slice()), Ok(3));
    assert_eq!(wakes.load(Ordering::Relaxed), 1);
    assert_eq!(read(&*slave), Ok("ls\n".to_owned()));
    assert_eq!(slave.try_write(&mut b"file\n".as_slice()), Ok(5));
    assert_eq!(wakes.load(Ordering::Relaxed), 2);
    assert_eq!(read(&*master), Ok("ls\r\nfile\r\n".to_owned()));
    assert_eq!(master.try_write(&mut b"\x03".as_slice()), Ok(1));
    assert_eq!(*owner.signals.lock(), [(100, Signal::SIGINT)]);
}

#[test]
fn master_reads_the_rest_and_then_an_error_when_slaves_are_gone() {
    let (master, slave, _) = pair();
    slave.try_write(&mut b"bye".as_slice()).unwrap();
    drop(slave);
    assert!(master.events().intersects(Events::HUP));
    assert_eq!(read(&*master), Ok("bye".to_owned()));
    assert_eq!(read(&*master), Err(Errno::EIO.into()));
    let slave = master.tty().open().unwrap();
    assert_eq!(read(&*master), Err(Stall::WouldBlock));
    drop(slave);
}

#[test]
fn closed_master_hangs_the_slave_up() {
    let (master, slave, owner) = pair();
    drop(master);
    let hung_up = HungUp {
        session: Some(100),
        foreground: Some(100),
    };
    assert_eq!(*owner.closed.lock(), [(3, hung_up)]);
    assert_eq!(read(&*slave), Ok(String::new()));
    assert_eq!(
        slave.try_write(&mut b"x".as_slice()),
        Err(Errno::EIO.into())
    );
}

#[test]
fn slow_master_holds_the_slave_up_and_loses_nothing() {
    let (master, slave, _) = pair();
    let bytes = vec![b'x'; 100_000];
    let mut source = bytes.as_slice();
    let (mut nr_written, mut nr_read) = (0, 0);
    while nr_read < bytes.len() {
        if let Ok(count) = slave.try_write(&mut source) {
            nr_written += count;
        }
        nr_read += read(&*master).unwrap().len();
    }
    assert_eq!((nr_written, nr_read), (100_000, 100_000));
}

#[test]
fn master_hears_of_what_came_before_a_bad_buffer() {
    struct Torn(usize);

    impl Source for Torn {
        fn remaining(&self) -> usize {
            1000 - self.0
        }

        fn take(&mut self, bytes: &mut [u8]) -> Result<()> {
            bytes.fill(b'x');
            if self.0 > 0 {
                return Err(Errno::EFAULT.into());
            }
            self.0 += bytes.len();
            Ok(())
        }
    }

    let (master, slave, _) = pair();
    let (waker, wakes) = counting_waker();
    let _registration = master.wait_queue().unwrap().register(&waker);
    let moved = slave.try_write(&mut Torn(0)).unwrap();
    assert_eq!(wakes.load(Ordering::Relaxed), 1);
    let mut sink = VecSink::new(2000);
    assert_eq!(master.try_read(&mut sink), Ok(moved));
    let torn = slave.try_write(&mut Torn(1));
    assert_eq!(torn, Err(Errno::EFAULT.into()));
}

#[test]
fn full_input_holds_the_master_up() {
    let (master, slave, _) = pair();
    let lines = b"1234567\n".repeat(1000);
    let mut source = lines.as_slice();
    let taken = master.try_write(&mut source).unwrap();
    assert!((4000..4100).contains(&taken));
    assert_eq!(master.try_write(&mut source), Err(Stall::WouldBlock));
    let (waker, wakes) = counting_waker();
    let _registration = master.wait_queue().unwrap().register(&waker);
    assert_eq!(read(&*slave), Ok("1234567\n".to_owned()));
    assert!(wakes.load(Ordering::Relaxed) > 0);
    assert!(master.try_write(&mut source).unwrap() > 0);
}

#[test]
fn packets_tell_of_output_and_of_what_happened() {
    let (master, slave, _) = pair();
    let memory = FakeMemory::new(1);
    memory.copy_out(0, &1_u32.to_le_bytes()).unwrap();
    master.ioctl(TIOCPKT, 0, &memory).unwrap();
    slave.try_write(&mut b"out".as_slice()).unwrap();
    assert_eq!(read(&*master), Ok("\0out".to_owned()));
    assert_eq!(master.try_write(&mut b"\x13".as_slice()), Ok(1));
    assert!(master.events().intersects(Events::PRI));
    assert_eq!(read(&*master), Ok("\x04".to_owned()));
    assert!(!master.events().intersects(Events::PRI | Events::IN));
    slave.ioctl(TCFLSH, TCIFLUSH, &memory).unwrap();
    master.try_write(&mut b"\x11".as_slice()).unwrap();
    assert_eq!(read(&*master), Ok("\x09".to_owned()));
    let mut settings = master.tty().termios();
    settings.iflag &= !abi::flags::IXON;
    master.tty().set_termios(settings);
    assert_eq!(read(&*master), Ok("\x10".to_owned()));
    assert_eq!(read(&*master), Err(Stall::WouldBlock));
}

#[test]
fn flushed_master_has_nothing_to_read() {
    let (master, slave, _) = pair();
    let bytes = [b'x'; 30_000];
    let written = slave.try_write(&mut bytes.as_slice()).unwrap();
    assert!(written >= SCREEN_CAPACITY);
    let memory = FakeMemory::new(1);
    master.ioctl(TCFLSH, TCIFLUSH, &memory).unwrap();
    assert!(slave.events().intersects(Events::OUT));
    let wrong = master.ioctl(TCFLSH, 9, &memory).unwrap_err();
    assert_eq!(wrong.errno, Errno::EINVAL);
}

#[test]
fn slave_that_hung_up_is_opened_anew() {
    let (master, slave, _) = pair();
    let mut settings = master.tty().termios();
    settings.lflag = 0;
    settings.cflag |= PARENB;
    master.tty().set_termios(settings);
    assert_eq!(master.tty().termios().cflag & PARENB, 0);
    master.tty().hang_up();
    assert_eq!(read(&*slave), Ok(String::new()));
    assert_eq!(slave.terminal(), None);
    assert_eq!(
        slave.events(),
        Events::IN | Events::OUT | Events::ERR | Events::HUP
    );
    let again = master.tty().open().unwrap();
    assert_eq!(master.try_write(&mut b"line\n".as_slice()), Ok(5));
    assert_eq!(read(&*again), Ok("line\n".to_owned()));
    drop(slave);
    assert!(!master.events().intersects(Events::HUP));
    drop(again);
    assert!(master.events().intersects(Events::HUP));
}

#[test]
fn master_requests_reach_the_pair() {
    let (master, slave, owner) = pair();
    let memory = FakeMemory::new(1);
    let word = |address: u32| {
        let mut bytes = [0; 4];
        memory.copy_in(address, &mut bytes).unwrap();
        u32::from_le_bytes(bytes)
    };
    memory.copy_out(0, &1_u32.to_le_bytes()).unwrap();
    master.ioctl(TIOCSPTLCK, 0, &memory).unwrap();
    assert_eq!(master.tty().open().unwrap_err().errno, Errno::EIO);
    memory.copy_out(0, &0_u32.to_le_bytes()).unwrap();
    master.ioctl(TIOCSPTLCK, 0, &memory).unwrap();
    assert!(master.tty().open().is_ok());
    master.ioctl(TIOCGPTN, 0, &memory).unwrap();
    assert_eq!(word(0), 3);
    memory.copy_out(0, &[24, 0, 80, 0, 0, 0, 0, 0]).unwrap();
    master.ioctl(TIOCSWINSZ, 0, &memory).unwrap();
    slave.ioctl(TIOCGWINSZ, 16, &memory).unwrap();
    assert_eq!(word(16), 80 << 16 | 24);
    master.ioctl(TIOCGPGRP, 0, &memory).unwrap();
    assert_eq!(word(0), 100);
    master.ioctl(TIOCSIG, 20, &memory).unwrap();
    let refused = master.ioctl(TIOCSIG, 9, &memory).unwrap_err();
    assert_eq!(refused.errno, Errno::EINVAL);
    assert_eq!(
        *owner.signals.lock(),
        [(100, Signal::SIGWINCH), (100, Signal::SIGTSTP)]
    );
    assert_eq!(slave.terminal(), Some(make_device(136, 3)));
    assert_eq!(master.terminal(), None);
}

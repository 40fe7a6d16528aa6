//! Pseudo-terminals (pty(7)): a terminal whose host is a program with the master side.
//!
//! ```text
//!   terminal emulator, script, tmux          shell and its children
//!        PtyMaster ── write ──> Tty::input ── line discipline ──> TtyFile::try_read
//!        PtyMaster <── read ─── Screen (ring) <── output ─────── TtyFile::try_write
//! ```
//!
//! Opening `/dev/ptmx` makes a pair ([`Kernel::open_pty`]); its slave is `/dev/pts/N` until the
//! master is closed, which hangs the slave up. When the last slave is closed, the master reads the
//! rest and then `EIO`.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Weak};

use abi::flags::{
    CREAD, CS8, CSIZE, FIONREAD, IUTF8, O_ACCMODE, O_NOCTTY, O_NONBLOCK, PARENB, S_IFCHR, TCFLSH,
    TCIFLUSH, TCIOFLUSH, TCOFLUSH, TIOCGPGRP, TIOCGPKT, TIOCGPTLCK, TIOCGPTN, TIOCGSID, TIOCPKT,
    TIOCSIG, TIOCSPTLCK,
};
use abi::{Errno, Result, Signal};
use executor::sync::Lock;
use executor::wait_queue::WaitQueue;
use fs::io::{Sink, Source, Stall, Try};
use fs::vfs::device::make_device;
use fs::vfs::file::{Events, FileOps, GuestMemory};
use fs::vfs::inode::SetAttributes;

use super::hang_up::HungUp;
use super::packet::{self, PacketMode};
use super::termios::Termios;
use super::{Tty, TtyHost};
use crate::ipc::ring::Ring;
use crate::kernel::Kernel;
use crate::open_file::OpenFile;
use crate::process::{Pid, Process};

/// Major number of slaves.
pub(super) const SLAVE_MAJOR: u32 = 136;
/// The most pairs at once (`/proc/sys/kernel/pty/max`).
const MAX_PAIRS: u32 = 4096;
/// Bytes of output that wait for the master.
const SCREEN_CAPACITY: usize = 16_384;

/// What a pair needs from the kernel around it.
pub trait PtyOwner: Send + Sync {
    /// Sends `signal` to a process group.
    fn signal_group(&self, group: Pid, signal: Signal);

    /// The monotonic clock in nanoseconds.
    fn now_ns(&self) -> u64;

    /// The master of pair `number` was closed; `hung_up` had the slave as their terminal.
    fn master_closed(&self, number: u32, hung_up: HungUp);
}

#[derive(Debug)]
struct ScreenState {
    output: Ring,
    nr_slaves: u32,
    /// All slaves were closed after one had been opened.
    is_deserted: bool,
    /// `TIOCSPTLCK`: slaves cannot be opened yet.
    is_locked: bool,
    packet: PacketMode,
    /// Output did not fit.
    is_cut: bool,
}

/// The host side of the slave's terminal.
struct Screen {
    number: u32,
    owner: Arc<dyn PtyOwner>,
    state: Lock<ScreenState>,
    /// Woken for the master: output, room for input, slaves gone.
    changed: WaitQueue,
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pts/{}", self.number)
    }
}

impl TtyHost for Screen {
    fn write(&self, bytes: &[u8]) -> usize {
        let mut state = self.state.lock();
        let count = bytes.len().min(state.output.free());
        state.is_cut |= count < bytes.len();
        state
            .output
            .push_all(bytes.get(..count).unwrap_or_default());
        count
    }

    fn has_written(&self) {
        self.changed.wake_all();
    }

    fn input_ready(&self) {
        self.changed.wake_all();
    }

    fn report(&self, bits: u8) {
        self.state.lock().packet.note(bits);
    }

    /// What encodes characters is the master's business: `IUTF8` is off, as in Linux.
    fn default_settings(&self) -> Termios {
        let settings = Termios::new();
        Termios {
            iflag: settings.iflag & !IUTF8,
            ..settings
        }
    }

    /// There is no line: always eight bits, no parity, and a receiver.
    fn adapt_settings(&self, new: Termios) -> Termios {
        Termios {
            cflag: new.cflag & !(CSIZE | PARENB) | CS8 | CREAD,
            ..new
        }
    }

    fn opened(&self) {
        let mut state = self.state.lock();
        state.nr_slaves = state.nr_slaves.saturating_add(1);
        state.is_deserted = false;
    }

    fn closed(&self) {
        {
            let mut state = self.state.lock();
            state.nr_slaves = state.nr_slaves.saturating_sub(1);
            state.is_deserted = state.nr_slaves == 0;
        }
        self.changed.wake_all();
    }

    fn is_locked(&self) -> bool {
        self.state.lock().is_locked
    }

    fn signal_group(&self, group: Pid, signal: Signal) {
        self.owner.signal_group(group, signal);
    }

    fn now_ns(&self) -> u64 {
        self.owner.now_ns()
    }
}

/// The master of a pair.
pub struct PtyMaster {
    tty: Arc<Tty>,
    screen: Arc<Screen>,
}

impl fmt::Debug for PtyMaster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ptmx({})", self.screen.number)
    }
}

impl PtyMaster {
    /// Makes pair `number`, its slave locked.
    pub fn new(number: u32, owner: Arc<dyn PtyOwner>) -> Arc<Self> {
        let screen = Arc::new(Screen {
            number,
            owner,
            state: Lock::new(ScreenState {
                output: Ring::new(SCREEN_CAPACITY),
                nr_slaves: 0,
                is_deserted: false,
                is_locked: true,
                packet: PacketMode::default(),
                is_cut: false,
            }),
            changed: WaitQueue::new(),
        });
        let host: Arc<dyn TtyHost> = screen.clone();
        let tty = Tty::new(make_device(SLAVE_MAJOR, number), host);
        Arc::new(Self { tty, screen })
    }

    /// The slave's terminal.
    pub const fn tty(&self) -> &Arc<Tty> {
        &self.tty
    }

    /// The number in `/dev/pts/N`.
    pub fn number(&self) -> u32 {
        self.screen.number
    }

    /// `TCFLSH` of a master: output that it has not read is its input.
    fn flush(&self, which: u32) -> Result<i32> {
        match which {
            TCIFLUSH | TCIOFLUSH => {
                {
                    let mut state = self.screen.state.lock();
                    state.output.clear();
                    state.is_cut = false;
                }
                self.tty.output_ready();
                Ok(0)
            }
            // What it wrote went to the slave at once.
            TCOFLUSH => Ok(0),
            _ => Err(Errno::EINVAL.into()),
        }
    }
}

impl Drop for PtyMaster {
    fn drop(&mut self) {
        let hung_up = self.tty.disconnect();
        self.screen.owner.master_closed(self.screen.number, hung_up);
    }
}

impl FileOps for PtyMaster {
    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn try_read(&self, sink: &mut dyn Sink) -> Try<usize> {
        if sink.remaining() == 0 {
            return Ok(0);
        }
        let (moved, was_cut) = {
            let mut state = self.screen.state.lock();
            if let Some(news) = state.packet.take() {
                sink.put(&[news])?;
                return Ok(1);
            }
            if state.output.is_empty() {
                let is_deserted = state.is_deserted;
                return Err(if is_deserted {
                    Errno::EIO.into()
                } else {
                    Stall::WouldBlock
                });
            }
            let header = usize::from(state.packet.is_on());
            if header > 0 {
                sink.put(&[packet::DATA])?;
            }
            let moved = match sink.remaining() {
                0 => 0,
                _ => state.output.pop_into(usize::MAX, sink)?,
            };
            let moved = moved.saturating_add(header);
            (moved, std::mem::take(&mut state.is_cut))
        };
        if was_cut {
            self.tty.output_ready();
        }
        Ok(moved)
    }

    fn try_write(&self, source: &mut dyn Source) -> Try<usize> {
        let mut moved = 0_usize;
        let mut chunk = [0; 256];
        while source.remaining() > 0 {
            // Ask for room before taking: what was taken has to go in.
            let wanted = source
                .remaining()
                .min(chunk.len())
                .min(self.tty.input_room());
            let Some(bytes) = chunk.get_mut(..wanted).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            if let Err(error) = source.take(bytes) {
                if moved == 0 {
                    return Err(error.into());
                }
                break;
            }
            self.tty.input(bytes);
            moved = moved.saturating_add(wanted);
        }
        if moved == 0 && source.remaining() > 0 {
            Err(Stall::WouldBlock)
        } else {
            Ok(moved)
        }
    }

    fn events(&self) -> Events {
        let mut events = Events::empty();
        {
            let state = self.screen.state.lock();
            if !state.output.is_empty() {
                events |= Events::IN;
            }
            if state.packet.has_news() {
                events |= Events::IN | Events::PRI;
            }
            if state.is_deserted {
                events |= Events::HUP;
            }
        }
        if self.tty.has_room() {
            events |= Events::OUT;
        }
        events
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.screen.changed)
    }

    fn ioctl(&self, request: u32, argument: u32, memory: &dyn GuestMemory) -> Result<i32> {
        let put = |value: u32| memory.copy_out(argument, &value.to_le_bytes()).map(|()| 0);
        let id = |pid: Option<Pid>| {
            let pid = pid.unwrap_or_default();
            memory.copy_out(argument, &pid.to_le_bytes()).map(|()| 0)
        };
        match request {
            TIOCGPTN => put(self.screen.number),
            TIOCSPTLCK => {
                let mut value = [0; 4];
                memory.copy_in(argument, &mut value)?;
                self.screen.state.lock().is_locked = value != [0; 4];
                Ok(0)
            }
            TIOCGPTLCK => {
                let is_locked = self.screen.state.lock().is_locked;
                put(u32::from(is_locked))
            }
            FIONREAD => {
                let count = self.screen.state.lock().output.len();
                put(u32::try_from(count).unwrap_or(u32::MAX))
            }
            TIOCGPGRP => id(self.tty.session().1),
            TIOCGSID => match self.tty.session().0 {
                Some(session) => id(Some(session)),
                None => Err(Errno::ENOTTY.into()),
            },
            TIOCSIG => {
                let number = i32::try_from(argument).map_err(|_| Errno::EINVAL)?;
                let signal = Signal::new(number)?;
                let is_typed = [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTSTP].contains(&signal);
                if !is_typed {
                    return Err(Errno::EINVAL.because("not a signal that a key sends"));
                }
                if let Some(group) = self.tty.session().1 {
                    self.screen.owner.signal_group(group, signal);
                }
                Ok(0)
            }
            TIOCPKT => {
                let mut value = [0; 4];
                memory.copy_in(argument, &mut value)?;
                self.screen.state.lock().packet.set(value != [0; 4]);
                Ok(0)
            }
            TIOCGPKT => {
                let is_on = self.screen.state.lock().packet.is_on();
                put(u32::from(is_on))
            }
            TCFLSH => self.flush(argument),
            _ => self.tty.plain_ioctl(request, argument, memory),
        }
    }
}

impl PtyOwner for Weak<Kernel> {
    fn signal_group(&self, group: Pid, signal: Signal) {
        if let Some(kernel) = self.upgrade() {
            kernel.signal_group(group, signal.number());
        }
    }

    fn now_ns(&self) -> u64 {
        self.upgrade()
            .map_or(0, |kernel| kernel.platform.monotonic_ns())
    }

    fn master_closed(&self, number: u32, hung_up: HungUp) {
        let Some(kernel) = self.upgrade() else { return };
        kernel.terminals.remove(make_device(SLAVE_MAJOR, number));
        kernel.end_session_terminal(hung_up);
        if let Ok(root) = kernel.root() {
            let path = format!("/dev/pts/{number}");
            // Without a node nobody finds it anyway.
            let _ = kernel
                .vfs
                .unlink(&kernel.root_context(&root), path.as_bytes());
        }
    }
}

impl Kernel {
    /// Makes a pair for `process`, with a node `/dev/pts/N` of its own: the open of `/dev/ptmx`.
    ///
    /// # Errors
    /// `ENOSPC` when there are too many pairs, and what making the node says.
    pub fn open_pty(self: &Arc<Self>, process: &Process) -> Result<Arc<PtyMaster>> {
        let make = |number| PtyMaster::new(number, Arc::new(Arc::downgrade(self)));
        let master = self.terminals.add_pair(MAX_PAIRS, make)?;
        let number = master.number();
        let root = self.root()?;
        let context = self.root_context(&root);
        let path = format!("/dev/pts/{number}");
        let node = self.vfs.mknod(
            &context,
            path.as_bytes(),
            S_IFCHR | 0o620,
            master.tty().id(),
        )?;
        let credentials = process.credentials();
        node.inode.set_attributes(&SetAttributes {
            uid: Some(credentials.user.effective),
            gid: Some(TTY_GROUP),
            ..SetAttributes::default()
        })?;
        Ok(master)
    }

    /// Opens the slave of a pair by its master (`TIOCGPTPEER`), as whoever may use that.
    ///
    /// # Errors
    /// `EIO` while the slave is locked, and what `open(2)` says of `/dev/pts/N`.
    pub fn open_peer(
        &self,
        process: &Process,
        master: &PtyMaster,
        flags: u32,
    ) -> Result<Arc<OpenFile>> {
        let flags = flags & (O_ACCMODE | O_NOCTTY | O_NONBLOCK);
        let root = self.root()?;
        let path = format!("/dev/pts/{}", master.number());
        let context = self.root_context(&root);
        let opened = self.vfs.open(&context, path.as_bytes(), flags, 0)?;
        let file = OpenFile::from_opened(opened, flags);
        if flags & O_NOCTTY == 0 && file.is_readable() {
            self.adopt_terminal(process, &file);
        }
        Ok(file)
    }
}

/// The group `tty` of Debian, which owns slaves.
const TTY_GROUP: u32 = 5;

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use abi::flags::{TIOCGWINSZ, TIOCSWINSZ};
    use fs::io::VecSink;

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
}

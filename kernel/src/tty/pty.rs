//! Pseudo-terminals (pty(7)): a terminal whose host is a program with the master side.
//!
//! ```text
//!   terminal emulator, script, tmux          shell and its children
//!        PtyMaster ── write ──> Tty::input ── line discipline ──> PtySlave::try_read
//!        PtyMaster <── read ─── Screen (ring) <── output ─────── PtySlave::try_write
//! ```
//!
//! Opening `/dev/ptmx` makes a pair ([`Kernel::open_pty`]); its slave is `/dev/pts/N` until the
//! master is closed, which hangs the slave up. When the last slave is closed, the master reads the
//! rest and then `EIO`.

use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use abi::flags::{
    FIONREAD, S_IFCHR, TIOCGPGRP, TIOCGPTLCK, TIOCGPTN, TIOCGSID, TIOCPKT, TIOCSIG, TIOCSPTLCK,
};
use abi::{Errno, Result, Signal};
use executor::sync::Lock;
use executor::wait_queue::WaitQueue;
use fs::io::{Sink, Source, Stall, Try};
use fs::vfs::device::make_device;
use fs::vfs::file::{Events, FileOps, GuestMemory};
use fs::vfs::inode::SetAttributes;

use super::{Tty, TtyHost};
use crate::ipc::ring::Ring;
use crate::kernel::Kernel;
use crate::process::{Pid, Process};
use crate::signal;

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

    /// The master of pair `number` was closed; `session` had the slave as its terminal.
    fn master_closed(&self, number: u32, session: Option<Pid>);
}

#[derive(Debug)]
struct ScreenState {
    output: Ring,
    nr_slaves: u32,
    /// All slaves were closed after one had been opened.
    is_deserted: bool,
    /// `TIOCSPTLCK`: slaves cannot be opened yet.
    is_locked: bool,
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

    fn open_slave(&self, tty: &Arc<Tty>) -> Option<Arc<dyn FileOps>> {
        let screen = tty.pty.get()?;
        let mut state = self.state.lock();
        state.nr_slaves = state.nr_slaves.saturating_add(1);
        state.is_deserted = false;
        Some(Arc::new(PtySlave {
            tty: Arc::clone(tty),
            screen: Arc::clone(screen),
        }))
    }

    fn signal_group(&self, group: Pid, signal: Signal) {
        self.owner.signal_group(group, signal);
    }

    fn now_ns(&self) -> u64 {
        self.owner.now_ns()
    }
}

/// One description of the slave.
struct PtySlave {
    tty: Arc<Tty>,
    screen: Arc<Screen>,
}

impl fmt::Debug for PtySlave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.screen.fmt(f)
    }
}

impl Drop for PtySlave {
    fn drop(&mut self) {
        {
            let mut state = self.screen.state.lock();
            state.nr_slaves = state.nr_slaves.saturating_sub(1);
            state.is_deserted = state.nr_slaves == 0;
        }
        self.screen.changed.wake_all();
    }
}

impl FileOps for PtySlave {
    fn try_read(&self, sink: &mut dyn Sink) -> Try<usize> {
        self.tty.try_read(sink)
    }

    fn try_write(&self, source: &mut dyn Source) -> Try<usize> {
        self.tty.try_write(source)
    }

    fn events(&self) -> Events {
        self.tty.events()
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        self.tty.wait_queue()
    }

    fn read_deadline_ns(&self, started_ns: u64) -> Option<u64> {
        self.tty.read_deadline_ns(started_ns)
    }

    fn ioctl(&self, request: u32, argument: u32, memory: &dyn GuestMemory) -> Result<i32> {
        self.tty.ioctl(request, argument, memory)
    }

    fn terminal(&self) -> Option<u64> {
        self.tty.terminal()
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
                is_cut: false,
            }),
            changed: WaitQueue::new(),
        });
        let host: Arc<dyn TtyHost> = screen.clone();
        let tty = Tty::new(make_device(SLAVE_MAJOR, number), host);
        // A new terminal has no screen yet.
        let _ = tty.pty.set(Arc::clone(&screen));
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
}

impl Drop for PtyMaster {
    fn drop(&mut self) {
        let session = self.tty.hang_up();
        self.screen.owner.master_closed(self.screen.number, session);
    }
}

impl FileOps for PtyMaster {
    fn try_read(&self, sink: &mut dyn Sink) -> Try<usize> {
        if sink.remaining() == 0 {
            return Ok(0);
        }
        let (moved, was_cut) = {
            let mut state = self.screen.state.lock();
            if state.output.is_empty() {
                let is_deserted = state.is_deserted;
                return Err(if is_deserted {
                    Errno::EIO.into()
                } else {
                    Stall::WouldBlock
                });
            }
            let moved = state.output.pop_into(usize::MAX, sink)?;
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
            TIOCPKT => Err(Errno::EINVAL.because("no packet mode")),
            _ => self.tty.plain_ioctl(request, argument, memory),
        }
    }
}

impl Tty {
    /// Whether it is the slave of a pair that `TIOCSPTLCK` keeps closed.
    pub(crate) fn is_locked_slave(&self) -> bool {
        self.pty
            .get()
            .is_some_and(|screen| screen.state.lock().is_locked)
    }
}

/// A terminal's screen, when it is the slave of a pair.
#[derive(Debug, Default)]
pub(super) struct PtyCell(OnceLock<Arc<Screen>>);

impl PtyCell {
    fn get(&self) -> Option<&Arc<Screen>> {
        self.0.get()
    }

    fn set(&self, screen: Arc<Screen>) -> std::result::Result<(), Arc<Screen>> {
        self.0.set(screen)
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

    fn master_closed(&self, number: u32, session: Option<Pid>) {
        let Some(kernel) = self.upgrade() else { return };
        kernel.terminals.remove(make_device(SLAVE_MAJOR, number));
        if let Some(session) = session {
            let _ = kernel.kill(session, i32::from(signal::HUP));
            let _ = kernel.kill(session, i32::from(signal::CONT));
            kernel.processes.set_terminal(session, None);
        }
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
        closed: Lock<Vec<(u32, Option<Pid>)>>,
    }

    impl PtyOwner for Owner {
        fn signal_group(&self, group: Pid, signal: Signal) {
            self.signals.lock().push((group, signal));
        }

        fn now_ns(&self) -> u64 {
            0
        }

        fn master_closed(&self, number: u32, session: Option<Pid>) {
            self.closed.lock().push((number, session));
        }
    }

    fn pair() -> (Arc<PtyMaster>, Arc<dyn FileOps>, Arc<Owner>) {
        let owner = Arc::new(Owner::default());
        let master = PtyMaster::new(3, Arc::<Owner>::clone(&owner));
        let slave = master.tty().open();
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
        let slave = master.tty().open();
        assert_eq!(read(&*master), Err(Stall::WouldBlock));
        drop(slave);
    }

    #[test]
    fn closed_master_hangs_the_slave_up() {
        let (master, slave, owner) = pair();
        drop(master);
        assert_eq!(*owner.closed.lock(), [(3, Some(100))]);
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
    fn master_requests_reach_the_pair() {
        let (master, slave, owner) = pair();
        let memory = FakeMemory::new(1);
        let word = |address: u32| {
            let mut bytes = [0; 4];
            memory.copy_in(address, &mut bytes).unwrap();
            u32::from_le_bytes(bytes)
        };
        assert!(master.tty().is_locked_slave());
        master.ioctl(TIOCSPTLCK, 0, &memory).unwrap();
        assert!(!master.tty().is_locked_slave());
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

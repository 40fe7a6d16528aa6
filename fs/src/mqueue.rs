//! POSIX message queues (mq_overview(7)): in Linux the files of a file system of their own, here
//! objects with names and, once open, descriptions like all others.
//!
//! - [`MessageQueues`]: the names of a pod, and how much memory each user's queues may take
//! - [`MessageQueue`]: messages in the order of their priorities; `try_*` never wait
//! - [`Listener`]: who is told when a message comes to an empty queue (`mq_notify(3)`)
//!
//! A receiver that waits counts ([`MessageQueue::begin_wait`]): a message that is for it is no news
//! to the listener.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use abi::limits::{
    MQ_MAX_MESSAGES, MQ_MAX_MESSAGES_HARD, MQ_MAX_SIZE, MQ_MAX_SIZE_HARD, MQ_PRIO_MAX,
    MQ_QUEUES_MAX, NAME_MAX,
};
use abi::{Errno, Result};
use executor::sync::Lock;
use executor::wait_queue::WaitQueue;

use crate::budget::{Budget, Charge, Class};
use crate::io::{Stall, Try};
use crate::vfs::Caller;
use crate::vfs::device::unnamed_device;
use crate::vfs::file::{Events, FileOps};
use crate::vfs::inode::{FileType, Metadata, Timestamp};

/// Bytes of the kernel's memory that a message takes besides its own, about.
const MESSAGE_BYTES: u64 = 64;
/// What Linux counts for a message of a queue, besides its bytes, against `RLIMIT_MSGQUEUE`: twice
/// `sizeof(struct msg_msg)` on a 64-bit machine.
const ENTRY_BYTES: u64 = 2 * 48;
/// What `fstat(2)` tells: the length of a line about the queue.
const FILE_SIZE: u64 = 80;

/// How many messages a queue takes, and how long they are: `mq_maxmsg` and `mq_msgsize`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Messages at once.
    pub max_messages: usize,
    /// Bytes of a message.
    pub max_size: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            max_messages: MQ_MAX_MESSAGES,
            max_size: MQ_MAX_SIZE,
        }
    }
}

impl Shape {
    /// Fails for a shape that no queue may have.
    ///
    /// # Errors
    /// `EINVAL`
    fn check(self, is_privileged: bool) -> Result<()> {
        let most = if is_privileged {
            (MQ_MAX_MESSAGES_HARD, MQ_MAX_SIZE_HARD)
        } else {
            (MQ_MAX_MESSAGES, MQ_MAX_SIZE)
        };
        let fits =
            (1..=most.0).contains(&self.max_messages) && (1..=most.1).contains(&self.max_size);
        if fits {
            Ok(())
        } else {
            Err(Errno::EINVAL.because("no shape of a message queue"))
        }
    }

    /// Bytes that count against `RLIMIT_MSGQUEUE`.
    fn bytes(self) -> u64 {
        let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        wide(self.max_size)
            .saturating_add(ENTRY_BYTES)
            .saturating_mul(wide(self.max_messages))
    }
}

/// Who makes a queue, and how.
#[derive(Clone, Copy, Debug)]
pub struct NewQueue {
    /// Its shape.
    pub shape: Shape,
    /// Permission bits after the umask.
    pub permissions: u32,
    /// The user that it counts for: the real one.
    pub user: u32,
    /// `RLIMIT_MSGQUEUE` in bytes.
    pub limit: u64,
    /// Whether the limits of [`Shape`] and of the number of queues are the high ones
    /// (`CAP_SYS_RESOURCE`).
    pub is_privileged: bool,
    /// The time.
    pub now: Timestamp,
}

/// Users, and the bytes that their queues count.
type Usage = Arc<Lock<Vec<(u32, u64)>>>;

/// A name and its queue. There are few, so that they are looked through.
type Named = (Vec<u8>, Arc<MessageQueue>);

/// The names of a pod.
#[derive(Debug)]
pub struct MessageQueues {
    names: Lock<Vec<Named>>,
    usage: Usage,
    budget: Arc<Budget>,
    device: u64,
}

impl MessageQueues {
    /// Without queues; messages are taken from `budget`.
    pub fn new(budget: &Arc<Budget>) -> Self {
        Self {
            names: Lock::default(),
            usage: Usage::default(),
            budget: Arc::clone(budget),
            device: unnamed_device(),
        }
    }

    /// Finds the queue `name`, which `caller` wants to use as `mask` (4 read, 2 write) says, or
    /// makes it.
    ///
    /// - `new`: how, if it may be made
    /// - `is_exclusive`: it must be made
    ///
    /// # Errors
    /// `ENOENT`, `EEXIST`, `EACCES`, `EINVAL`, `ENAMETOOLONG`; `EMFILE` over the limit of the user,
    /// `ENOSPC` for too many queues.
    pub fn open(
        &self,
        caller: &Caller<'_>,
        name: &[u8],
        mask: u32,
        new: Option<NewQueue>,
        is_exclusive: bool,
    ) -> Result<Arc<MessageQueue>> {
        check_name(name)?;
        let mut names = self.names.lock();
        if let Some((_, known)) = names.iter().find(|(known, _)| known == name) {
            if is_exclusive {
                return Err(Errno::EEXIST.into());
            }
            caller.check(&known.metadata, mask)?;
            return Ok(Arc::clone(known));
        }
        let new = new.ok_or(Errno::ENOENT)?;
        new.shape.check(new.is_privileged)?;
        if names.len() >= MQ_QUEUES_MAX && !new.is_privileged {
            return Err(Errno::ENOSPC.because("too many message queues"));
        }
        let bytes = new.shape.bytes();
        {
            let mut usage = self.usage.lock();
            let known = usage.iter().position(|(user, _)| *user == new.user);
            let used = known
                .and_then(|index| usage.get(index))
                .map_or(0, |(_, used)| *used);
            let sum = used.saturating_add(bytes);
            if sum > new.limit {
                return Err(Errno::EMFILE.because("RLIMIT_MSGQUEUE"));
            }
            if let Some(index) = known {
                usage.swap_remove(index);
            }
            usage.push((new.user, sum));
        }
        let queue = Arc::new(MessageQueue {
            metadata: Metadata {
                device: self.device,
                inode: u64::try_from(names.len()).unwrap_or(0).saturating_add(2),
                file_type: FileType::Regular,
                permissions: new.permissions,
                nr_links: 1,
                uid: caller.uid,
                gid: caller.gid,
                rdev: 0,
                size: FILE_SIZE,
                block_size: 4096,
                nr_blocks: 0,
                atime: new.now,
                mtime: new.now,
                ctime: new.now,
            },
            shape: new.shape,
            user: new.user,
            usage: Arc::clone(&self.usage),
            budget: Arc::clone(&self.budget),
            state: Lock::default(),
            queue: WaitQueue::new(),
        });
        names.push((name.to_vec(), Arc::clone(&queue)));
        Ok(queue)
    }

    /// `mq_unlink(3)`: takes the name away; the queue ends with its last description.
    ///
    /// # Errors
    /// `ENOENT`; `EPERM` for another's queue, as in a sticky directory.
    pub fn unlink(&self, caller: &Caller<'_>, name: &[u8]) -> Result<()> {
        check_name(name)?;
        let removed = {
            let mut names = self.names.lock();
            let index = names.iter().position(|(known, _)| known == name);
            let index = index.ok_or(Errno::ENOENT)?;
            let owner = names.get(index).map(|(_, queue)| queue.metadata);
            if !owner.is_some_and(|metadata| caller.owns(&metadata)) {
                return Err(Errno::EPERM.because("the queue of another user"));
            }
            names.swap_remove(index)
        };
        drop(removed);
        Ok(())
    }
}

/// Fails for what is no name in a directory.
///
/// # Errors
/// `ENOENT`, `EACCES`, `ENAMETOOLONG`.
fn check_name(name: &[u8]) -> Result<()> {
    if name.is_empty() {
        Err(Errno::ENOENT.into())
    } else if name == b"." || name == b".." || name.contains(&b'/') {
        Err(Errno::EACCES.because("no name of a message queue"))
    } else if name.len() > NAME_MAX {
        Err(Errno::ENAMETOOLONG.into())
    } else {
        Ok(())
    }
}

/// Who is told once when a message comes to an empty queue.
pub trait Listener: Send + Sync {
    /// Whether there is still somebody to tell.
    fn is_alive(&self) -> bool;

    /// A message of process `pid` of user `uid` came.
    fn notify(&self, pid: i32, uid: u32);
}

struct Message {
    priority: u32,
    bytes: Box<[u8]>,
    _charge: Charge,
}

#[derive(Default)]
struct State {
    /// The next one last.
    messages: Vec<Message>,
    /// Receivers that wait.
    nr_waiting: usize,
    /// The process that registered, and what tells it.
    listener: Option<(i32, Arc<dyn Listener>)>,
}

/// A queue of messages.
pub struct MessageQueue {
    metadata: Metadata,
    shape: Shape,
    user: u32,
    usage: Usage,
    budget: Arc<Budget>,
    state: Lock<State>,
    queue: WaitQueue,
}

impl fmt::Debug for MessageQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MessageQueue")
    }
}

impl MessageQueue {
    /// What `fstat(2)` tells.
    pub const fn metadata(&self) -> Metadata {
        self.metadata
    }

    /// Its limits.
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// Messages in it: `mq_curmsgs`.
    pub fn len(&self) -> usize {
        self.state.lock().messages.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts a message behind those of its priority and higher ones; `sender` is its process and
    /// user.
    ///
    /// # Errors
    /// `WouldBlock` while it is full; `ENOMEM`.
    pub fn try_send(&self, priority: u32, bytes: &[u8], sender: (i32, u32)) -> Try<()> {
        let told = {
            let mut state = self.state.lock();
            let State {
                messages,
                nr_waiting,
                listener,
            } = &mut *state;
            if messages.len() >= self.shape.max_messages {
                return Err(Stall::WouldBlock);
            }
            let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let charge = Charge::take(
                &self.budget,
                Class::Pipes,
                size.saturating_add(MESSAGE_BYTES),
            )?;
            let place = messages.partition_point(|other| other.priority < priority);
            messages.insert(
                place,
                Message {
                    priority,
                    bytes: bytes.into(),
                    _charge: charge,
                },
            );
            // The first one that no receiver waits for.
            let is_news = messages.len() == nr_waiting.saturating_add(1);
            listener.take_if(|_| is_news)
        };
        self.queue.wake_for(Events::IN.wakes());
        if let Some((_, listener)) = told {
            listener.notify(sender.0, sender.1);
        }
        Ok(())
    }

    /// Takes the oldest message of the highest priority.
    ///
    /// # Errors
    /// `WouldBlock` while it is empty.
    pub fn try_receive(&self) -> Try<(u32, Box<[u8]>)> {
        let message = self.state.lock().messages.pop();
        let Message {
            priority, bytes, ..
        } = message.ok_or(Stall::WouldBlock)?;
        self.queue.wake_for(Events::OUT.wakes());
        Ok((priority, bytes))
    }

    /// A receiver begins to wait; what is returned ends that when it is dropped.
    pub fn begin_wait(self: &Arc<Self>) -> Waiting {
        let mut state = self.state.lock();
        state.nr_waiting = state.nr_waiting.saturating_add(1);
        Waiting(Arc::clone(self))
    }

    /// `mq_notify(3)`: tells `listener` of process `pid` of the next message to the empty queue.
    ///
    /// # Errors
    /// `EBUSY` while another is told.
    pub fn listen(&self, pid: i32, listener: Arc<dyn Listener>) -> Result<()> {
        let mut state = self.state.lock();
        if state
            .listener
            .as_ref()
            .is_some_and(|(_, one)| one.is_alive())
        {
            return Err(Errno::EBUSY.because("somebody is notified already"));
        }
        state.listener = Some((pid, listener));
        Ok(())
    }

    /// Process `pid` is told no more: it said so, or closed a descriptor of the queue.
    pub fn forget(&self, pid: i32) {
        let forgotten = {
            let mut state = self.state.lock();
            state.listener.take_if(|(owner, _)| *owner == pid)
        };
        drop(forgotten);
    }
}

impl Drop for MessageQueue {
    fn drop(&mut self) {
        let mut usage = self.usage.lock();
        if let Some((_, used)) = usage.iter_mut().find(|(user, _)| *user == self.user) {
            *used = used.saturating_sub(self.shape.bytes());
        }
        usage.retain(|(_, used)| *used > 0);
    }
}

/// A receiver that waits.
#[derive(Debug)]
pub struct Waiting(Arc<MessageQueue>);

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.nr_waiting = state.nr_waiting.saturating_sub(1);
    }
}

/// An open file of a queue.
#[derive(Debug)]
pub struct QueueFile(pub Arc<MessageQueue>);

impl FileOps for QueueFile {
    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn events(&self) -> Events {
        let len = self.0.len();
        let mut events = Events::empty();
        if len > 0 {
            events |= Events::IN;
        }
        if len < self.0.shape.max_messages {
            events |= Events::OUT;
        }
        events
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.0.queue)
    }
}

/// Whether a priority is one.
///
/// # Errors
/// `EINVAL`
pub fn check_priority(priority: u32) -> Result<()> {
    if priority < MQ_PRIO_MAX {
        Ok(())
    } else {
        Err(Errno::EINVAL.because("no priority of a message"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const NEW: NewQueue = NewQueue {
        shape: Shape {
            max_messages: 3,
            max_size: 8,
        },
        permissions: 0o600,
        user: 0,
        limit: 1000,
        is_privileged: false,
        now: Timestamp {
            seconds: 0,
            nanoseconds: 0,
        },
    };

    #[derive(Default)]
    struct Counter(AtomicU32);

    impl Listener for Counter {
        fn is_alive(&self) -> bool {
            self.0.load(Ordering::Relaxed) == 0
        }

        fn notify(&self, _pid: i32, _uid: u32) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn open(
        queues: &MessageQueues,
        name: &[u8],
        new: Option<NewQueue>,
    ) -> Result<Arc<MessageQueue>> {
        queues.open(&Caller::ROOT, name, 6, new, false)
    }

    #[test]
    fn messages_come_by_priority_and_then_by_age() {
        let queues = MessageQueues::new(&Budget::unlimited());
        let queue = open(&queues, b"name", Some(NEW)).unwrap();
        for (priority, bytes) in [(1, b"a"), (5, b"b"), (1, b"c")] {
            queue.try_send(priority, bytes, (1, 0)).unwrap();
        }
        assert_eq!(queue.try_send(9, b"d", (1, 0)), Err(Stall::WouldBlock));
        assert_eq!(QueueFile(Arc::clone(&queue)).events(), Events::IN);
        let taken: Vec<(u32, Box<[u8]>)> = (0..3).map(|_| queue.try_receive().unwrap()).collect();
        assert_eq!(
            taken.iter().map(|(p, b)| (*p, b[0])).collect::<Vec<_>>(),
            [(5, b'b'), (1, b'a'), (1, b'c')]
        );
        assert_eq!(queue.try_receive().unwrap_err(), Stall::WouldBlock);
    }

    #[test]
    fn a_listener_hears_once_and_not_of_what_a_receiver_waits_for() {
        let queues = MessageQueues::new(&Budget::unlimited());
        let queue = open(&queues, b"name", Some(NEW)).unwrap();
        let listener = Arc::new(Counter::default());
        queue.listen(7, Arc::<Counter>::clone(&listener)).unwrap();
        let other = queue.listen(8, Arc::<Counter>::clone(&listener));
        assert_eq!(other.unwrap_err().errno, Errno::EBUSY);
        let waiting = queue.begin_wait();
        queue.try_send(1, b"x", (1, 0)).unwrap();
        assert!(listener.is_alive());
        queue.try_send(1, b"x", (1, 0)).unwrap();
        assert_eq!(listener.0.load(Ordering::Relaxed), 1);
        drop(waiting);
        queue.listen(7, Arc::new(Counter::default())).unwrap();
        queue.forget(8);
        assert!(queue.listen(8, Arc::new(Counter::default())).is_err());
        queue.forget(7);
        queue.listen(8, Arc::new(Counter::default())).unwrap();
    }

    #[test]
    fn queues_count_for_their_user_until_the_last_one_lets_go() {
        let queues = MessageQueues::new(&Budget::unlimited());
        let bytes = NEW.shape.bytes();
        let new = NewQueue {
            limit: bytes,
            ..NEW
        };
        let queue = open(&queues, b"one", Some(new)).unwrap();
        let errno = |result: Result<Arc<MessageQueue>>| result.unwrap_err().errno;
        assert_eq!(errno(open(&queues, b"two", Some(new))), Errno::EMFILE);
        queues.unlink(&Caller::ROOT, b"one").unwrap();
        assert_eq!(errno(open(&queues, b"one", None)), Errno::ENOENT);
        assert_eq!(errno(open(&queues, b"two", Some(new))), Errno::EMFILE);
        drop(queue);
        let shape = Shape {
            max_messages: 11,
            max_size: 1,
        };
        let large = NewQueue {
            shape,
            limit: u64::MAX,
            ..NEW
        };
        assert_eq!(errno(open(&queues, b"two", Some(large))), Errno::EINVAL);
        let new = NewQueue {
            is_privileged: true,
            ..large
        };
        open(&queues, b"two", Some(new)).unwrap();
        for (name, expected) in [
            (&b""[..], Errno::ENOENT),
            (b"a/b", Errno::EACCES),
            (&[b'n'; 256], Errno::ENAMETOOLONG),
        ] {
            assert_eq!(errno(open(&queues, name, Some(new))), expected);
        }
    }
}

//! Waiting: the one place where "not now" becomes a future.
//!
//! Files, pipes and terminals only say `WouldBlock` and own a [`WaitQueue`]. A call that may wait
//! is an [`Attempt`]; [`wait_on`] makes it once on the spot and, if it has to wait, returns a
//! future that registers, tries again, and looks at signals and the deadline, in this order:
//! whoever changes the state wakes the queue after the change, so no wake-up is lost, and data
//! that is there wins over a signal, as in Linux.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use executor::Sleep;
use executor::wait_queue::{Interest, Registration, Turn, WaitQueue};
use fs::io::{Stall, Try};
use fs::vfs::file::Events;

use crate::call::{Answer, Fault, Outcome, Restart, Sleeper};
use crate::open_file::OpenFile;

/// A call that can be tried any number of times until it does not stall.
pub trait Attempt: Send + 'static {
    /// What it gives.
    type Output;

    /// Tries, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` to be tried again after the next wake-up.
    fn attempt(&mut self) -> Try<Self::Output>;

    /// When to give up although nothing happened, if it knows; asked after each attempt.
    fn deadline_ns(&self) -> Option<u64> {
        None
    }

    /// Whether one waiter is enough for each wake-up.
    fn turn(&self) -> Turn {
        Turn::Shared
    }

    /// The last word when it was interrupted or timed out: a call that moved a part of its bytes
    /// answers with their number.
    ///
    /// # Errors
    /// `fault`, unless there is something to show.
    fn settle(&mut self, fault: Fault) -> Answer<Self::Output> {
        Err(fault)
    }
}

impl<T, F: FnMut() -> Try<T> + Send + 'static> Attempt for F {
    type Output = T;

    fn attempt(&mut self) -> Try<T> {
        self()
    }
}

/// Tries `attempt`, and again after each wake-up of `queue` until it does not stall.
///
/// - `queue`: `None` waits for the deadline and signals only
/// - `deadline_ns`: on the sleeper's clock; `None` waits for ever
/// - `restart`: how the call goes on after a signal
pub fn wait_for<S: Sleeper, T: 'static>(
    sleeper: &Arc<S>,
    queue: Option<&WaitQueue>,
    deadline_ns: Option<u64>,
    restart: Restart,
    attempt: impl FnMut() -> Try<T> + Send + 'static,
) -> Outcome<T> {
    wait_on(sleeper, queue, deadline_ns, restart, attempt)
}

/// [`wait_for`] for an [`Attempt`] that has something to say when it is cut short.
pub fn wait_on<S: Sleeper, A: Attempt>(
    sleeper: &Arc<S>,
    queue: Option<&WaitQueue>,
    deadline_ns: Option<u64>,
    restart: Restart,
    mut attempt: A,
) -> Outcome<A::Output>
where
    A::Output: 'static,
{
    match attempt.attempt() {
        Ok(value) => Outcome::Ready(Ok(value)),
        Err(Stall::Failed(error)) => Outcome::Ready(Err(error.into())),
        Err(Stall::WouldBlock) => wait_stalled(sleeper, queue, deadline_ns, restart, attempt),
    }
}

/// [`wait_on`] for an attempt that was made a moment ago and has stalled.
pub fn wait_stalled<S: Sleeper, A: Attempt>(
    sleeper: &Arc<S>,
    queue: Option<&WaitQueue>,
    deadline_ns: Option<u64>,
    restart: Restart,
    mut attempt: A,
) -> Outcome<A::Output>
where
    A::Output: 'static,
{
    if sleeper.is_interrupted() {
        return Outcome::Ready(attempt.settle(Fault::Interrupted(restart)));
    }
    let earliest_ns = earlier(deadline_ns, attempt.deadline_ns());
    if earliest_ns.is_some_and(|earliest_ns| sleeper.now_ns() >= earliest_ns) {
        return Outcome::Ready(attempt.settle(Fault::TimedOut));
    }
    Outcome::Pending(Box::pin(Wait {
        sleeper: Arc::clone(sleeper),
        queue: queue.cloned(),
        registration: None,
        timer: None,
        deadline_ns,
        restart,
        attempt,
    }))
}

/// The future of a call that waits on one queue.
struct Wait<S, A> {
    sleeper: Arc<S>,
    queue: Option<WaitQueue>,
    registration: Option<Registration>,
    timer: Option<Sleep>,
    deadline_ns: Option<u64>,
    restart: Restart,
    attempt: A,
}

/// Nothing in it is ever pinned: the attempt is only called.
impl<S, A> Unpin for Wait<S, A> {}

impl<S: Sleeper, A: Attempt> Future for Wait<S, A> {
    type Output = Answer<A::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        match (&mut this.registration, &this.queue) {
            // It never left the queue: most wake-ups end here, without another look at the queue.
            (Some(registration), _) => {
                match this.attempt.attempt() {
                    Ok(value) => {
                        if let Some(registration) = this.registration.take() {
                            registration.consume();
                        }
                        return Poll::Ready(Ok(value));
                    }
                    Err(Stall::Failed(error)) => return Poll::Ready(Err(error.into())),
                    Err(Stall::WouldBlock) => {}
                }
                registration.update(cx.waker());
            }
            (None, Some(queue)) => {
                let turn = this.attempt.turn();
                this.registration = Some(queue.register_for(cx.waker(), Interest::ALL, turn));
            }
            (None, None) => {}
        }
        match this.attempt.attempt() {
            Ok(value) => return Poll::Ready(Ok(value)),
            Err(Stall::Failed(error)) => return Poll::Ready(Err(error.into())),
            Err(Stall::WouldBlock) => {}
        }
        if this.sleeper.is_interrupted() {
            return Poll::Ready(this.attempt.settle(Fault::Interrupted(this.restart)));
        }
        let deadline_ns = earlier(this.deadline_ns, this.attempt.deadline_ns());
        match poll_deadline(&*this.sleeper, &mut this.timer, deadline_ns, cx) {
            Poll::Ready(()) => Poll::Ready(this.attempt.settle(Fault::TimedOut)),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// The earlier of two deadlines.
fn earlier(first: Option<u64>, second: Option<u64>) -> Option<u64> {
    first.into_iter().chain(second).min()
}

/// Ready once `deadline_ns` has passed; arranges a wake-up then.
fn poll_deadline<S: Sleeper>(
    sleeper: &S,
    timer: &mut Option<Sleep>,
    deadline_ns: Option<u64>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let Some(deadline_ns) = deadline_ns else {
        *timer = None;
        return Poll::Pending;
    };
    if sleeper.now_ns() >= deadline_ns {
        return Poll::Ready(());
    }
    if timer
        .as_ref()
        .is_some_and(|timer| timer.deadline_ns() != deadline_ns)
    {
        *timer = None;
    }
    let timer = timer.get_or_insert_with(|| sleeper.executor().sleep_until(deadline_ns));
    Pin::new(timer).poll(cx)
}

/// One file of a `poll` or `select`, what is asked of it, and what it answered.
#[derive(Debug, Default)]
pub struct PollItem {
    /// The file; `None` for an fd that is ignored (negative) or not open (see `ready`).
    pub file: Option<Arc<OpenFile>>,
    /// What the caller asks for; `ERR` and `HUP` are always asked for.
    pub interest: Events,
    /// What holds. For an item without a file it stays as the caller set it: `NVAL` for an fd
    /// that is not open, which counts as an answer.
    pub ready: Events,
}

impl PollItem {
    fn check(&mut self) -> bool {
        if let Some(file) = &self.file {
            let events = file.events().with_norms();
            self.ready = events.intersection(self.interest | Events::ERR | Events::HUP);
        }
        !self.ready.is_empty()
    }
}

/// Checks all items; returns how many have an answer.
fn check_all(items: &mut [PollItem]) -> usize {
    items
        .iter_mut()
        .map(PollItem::check)
        .filter(|&is_ready| is_ready)
        .count()
}

/// `poll(2)`: waits until an item has an answer, and gives the items back with `ready` filled in.
///
/// A passed deadline is an answer too: no item is ready then. Interrupted: `restart`.
pub fn poll_files<S: Sleeper>(
    sleeper: &Arc<S>,
    mut items: Vec<PollItem>,
    deadline_ns: Option<u64>,
    restart: Restart,
) -> Outcome<Vec<PollItem>> {
    if check_all(&mut items) > 0 {
        return Outcome::Ready(Ok(items));
    }
    if sleeper.is_interrupted() {
        return Outcome::Ready(Err(Fault::Interrupted(restart)));
    }
    if deadline_ns.is_some_and(|deadline_ns| sleeper.now_ns() >= deadline_ns) {
        return Outcome::Ready(Ok(items));
    }
    Outcome::Pending(Box::pin(PollWait {
        sleeper: Arc::clone(sleeper),
        items,
        registrations: Vec::new(),
        timer: None,
        deadline_ns,
        restart,
    }))
}

/// The future of a call that waits on many queues.
struct PollWait<S> {
    sleeper: Arc<S>,
    items: Vec<PollItem>,
    registrations: Vec<Registration>,
    timer: Option<Sleep>,
    deadline_ns: Option<u64>,
    restart: Restart,
}

impl<S: Sleeper> Future for PollWait<S> {
    type Output = Answer<Vec<PollItem>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.registrations.is_empty() {
            let queues = this.items.iter().filter_map(|item| {
                let interest = item.interest | Events::ERR | Events::HUP;
                Some((item.file.as_ref()?.wait_queue()?, interest.interest()))
            });
            this.registrations.extend(
                queues.map(|(queue, interest)| {
                    queue.register_for(cx.waker(), interest, Turn::Shared)
                }),
            );
        } else {
            this.registrations
                .iter_mut()
                .for_each(|registration| registration.update(cx.waker()));
        }
        if check_all(&mut this.items) > 0 {
            return Poll::Ready(Ok(std::mem::take(&mut this.items)));
        }
        if this.sleeper.is_interrupted() {
            return Poll::Ready(Err(Fault::Interrupted(this.restart)));
        }
        match poll_deadline(&*this.sleeper, &mut this.timer, this.deadline_ns, cx) {
            Poll::Ready(()) => Poll::Ready(Ok(std::mem::take(&mut this.items))),
            Poll::Pending => Poll::Pending,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use abi::Errno;
    use executor::clock::FakeClock;
    use executor::{Clock, CountingPender, Executor, WorkerId};
    use fs::budget::Budget;
    use fs::io::VecSink;
    use fs::vfs::file::FileOps;
    use fs::vfs::inode::Timestamp;

    use super::*;
    use crate::ipc::pipe::{PipeEnd, pipe};

    #[derive(Default)]
    struct Counter(Arc<AtomicUsize>);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A waker that counts its calls.
    pub(crate) fn counting_waker() -> (Waker, Arc<AtomicUsize>) {
        let counter = Counter::default();
        let count = Arc::clone(&counter.0);
        (Waker::from(Arc::new(counter)), count)
    }

    pub(crate) struct TestSleeper {
        clock: Arc<FakeClock>,
        executor: Arc<Executor>,
        is_interrupted: AtomicBool,
    }

    impl TestSleeper {
        pub(crate) fn new() -> Arc<Self> {
            let clock = FakeClock::new(0);
            let pender = CountingPender::new();
            let fake: Arc<dyn Clock> = clock.clone();
            let executor = Executor::new(WorkerId(0), fake, pender);
            Arc::new(Self {
                clock,
                executor,
                is_interrupted: AtomicBool::new(false),
            })
        }
    }

    impl TestSleeper {
        pub(crate) fn interrupt(&self) {
            self.is_interrupted.store(true, Ordering::Relaxed);
        }
    }

    impl Sleeper for TestSleeper {
        fn is_interrupted(&self) -> bool {
            self.is_interrupted.load(Ordering::Relaxed)
        }

        fn executor(&self) -> &Arc<Executor> {
            &self.executor
        }

        fn now_ns(&self) -> u64 {
            self.clock.now_ns()
        }
    }

    /// Waits to read up to 10 bytes.
    fn read(
        sleeper: &Arc<TestSleeper>,
        end: &Arc<PipeEnd>,
        deadline_ns: Option<u64>,
    ) -> Outcome<Vec<u8>> {
        let reader = Arc::clone(end);
        wait_for(
            sleeper,
            end.wait_queue(),
            deadline_ns,
            Restart::Sys,
            move || {
                let mut sink = VecSink::new(10);
                reader.try_read(&mut sink)?;
                Ok(sink.bytes)
            },
        )
    }

    pub(crate) fn poll<T>(outcome: &mut Outcome<T>, waker: &Waker) -> Option<Answer<T>> {
        let Outcome::Pending(future) = outcome else {
            panic!("it did not wait")
        };
        match future.as_mut().poll(&mut Context::from_waker(waker)) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        }
    }

    #[test]
    fn ready_attempt_never_becomes_a_future() {
        let (sleeper, (reader, writer)) = (TestSleeper::new(), pipe(&Budget::unlimited()));
        assert_eq!(writer.try_write(&mut b"now".as_slice()), Ok(3));
        let outcome = read(&sleeper, &reader, None);
        assert!(matches!(outcome, Outcome::Ready(Ok(bytes)) if bytes == b"now"));
    }

    #[test]
    fn write_wakes_a_waiting_reader() {
        let (sleeper, (reader, writer)) = (TestSleeper::new(), pipe(&Budget::unlimited()));
        let (waker, wakes) = counting_waker();
        let mut outcome = read(&sleeper, &reader, None);
        assert_eq!(poll(&mut outcome, &waker), None);
        assert_eq!(writer.try_write(&mut b"later".as_slice()), Ok(5));
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
        assert_eq!(poll(&mut outcome, &waker), Some(Ok(b"later".to_vec())));
        drop(outcome);
        assert_eq!(writer.try_write(&mut b"x".as_slice()), Ok(1));
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn signal_interrupts_but_data_wins() {
        let (sleeper, (reader, writer)) = (TestSleeper::new(), pipe(&Budget::unlimited()));
        let (waker, _) = counting_waker();
        let mut outcome = read(&sleeper, &reader, None);
        assert_eq!(poll(&mut outcome, &waker), None);
        sleeper.is_interrupted.store(true, Ordering::Relaxed);
        assert_eq!(
            poll(&mut outcome, &waker),
            Some(Err(Fault::Interrupted(Restart::Sys)))
        );
        assert_eq!(writer.try_write(&mut b"x".as_slice()), Ok(1));
        let outcome = read(&sleeper, &reader, None);
        assert!(matches!(outcome, Outcome::Ready(Ok(bytes)) if bytes == b"x"));
    }

    #[test]
    fn deadline_ends_the_wait_and_wakes_it() {
        let (sleeper, (reader, _writer)) = (TestSleeper::new(), pipe(&Budget::unlimited()));
        let (waker, wakes) = counting_waker();
        let mut outcome = read(&sleeper, &reader, Some(1000));
        assert_eq!(poll(&mut outcome, &waker), None);
        sleeper.clock.advance(1000);
        sleeper.executor.run(executor::Slice::unlimited());
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
        assert_eq!(poll(&mut outcome, &waker), Some(Err(Fault::TimedOut)));
        assert!(matches!(
            read(&sleeper, &reader, Some(1000)),
            Outcome::Ready(Err(Fault::TimedOut))
        ));
    }

    #[test]
    fn interrupted_attempt_tells_what_it_has_done() {
        struct Partial;
        impl Attempt for Partial {
            type Output = usize;

            fn attempt(&mut self) -> Try<usize> {
                Err(Stall::WouldBlock)
            }

            fn settle(&mut self, _fault: Fault) -> Answer<usize> {
                Ok(7)
            }
        }
        let sleeper = TestSleeper::new();
        sleeper.is_interrupted.store(true, Ordering::Relaxed);
        let outcome = wait_on(&sleeper, None, None, Restart::Sys, Partial);
        assert!(matches!(outcome, Outcome::Ready(Ok(7))));
    }

    fn open(end: Arc<PipeEnd>, flags: u32) -> Arc<OpenFile> {
        OpenFile::from_anonymous_pipe(end, flags, 0, 0, Timestamp::default())
    }

    fn item(file: &Arc<OpenFile>, interest: Events) -> PollItem {
        PollItem {
            file: Some(Arc::clone(file)),
            interest,
            ready: Events::empty(),
        }
    }

    #[test]
    fn poll_waits_for_any_of_its_files() {
        let sleeper = TestSleeper::new();
        let (waker, wakes) = counting_waker();
        let ((first, _keep), (second, writer)) =
            (pipe(&Budget::unlimited()), pipe(&Budget::unlimited()));
        let (first, second) = (open(first, 0), open(second, 0));
        let items = vec![
            item(&first, Events::IN),
            PollItem::default(),
            item(&second, Events::IN),
        ];
        let mut outcome = poll_files(&sleeper, items, None, Restart::NoHandler);
        assert!(poll(&mut outcome, &waker).is_none());
        assert_eq!(writer.try_write(&mut b"x".as_slice()), Ok(1));
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
        let items = poll(&mut outcome, &waker).unwrap().unwrap();
        let ready: Vec<Events> = items.iter().map(|item| item.ready).collect();
        assert_eq!(ready, [Events::empty(), Events::empty(), Events::IN]);
    }

    #[test]
    fn poll_reports_hang_up_unasked_and_bad_fds_at_once() {
        let sleeper = TestSleeper::new();
        let (reader, writer) = pipe(&Budget::unlimited());
        let reader = open(reader, 0);
        drop(writer);
        let bad = PollItem {
            ready: Events::NVAL,
            ..PollItem::default()
        };
        let items = vec![item(&reader, Events::empty()), bad];
        let outcome = poll_files(&sleeper, items, None, Restart::NoHandler);
        let Outcome::Ready(Ok(items)) = outcome else {
            panic!("it waits")
        };
        assert_eq!(
            (items[0].ready, items[1].ready),
            (Events::HUP, Events::NVAL)
        );
    }

    #[test]
    fn poll_without_time_answers_nothing() {
        let (sleeper, (reader, _writer)) = (TestSleeper::new(), pipe(&Budget::unlimited()));
        let items = vec![item(&open(reader, 0), Events::IN)];
        let outcome = poll_files(&sleeper, items, Some(0), Restart::NoHandler);
        assert!(matches!(outcome, Outcome::Ready(Ok(items)) if items[0].ready.is_empty()));
        let error = Fault::from(Errno::EINTR);
        assert!(matches!(error, Fault::Error(error) if error.errno == Errno::EINTR));
    }
}

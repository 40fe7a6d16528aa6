//! Epolls over pipes and eventfds, without system calls.

use std::sync::atomic::Ordering;

use abi::flags::{EPOLLRDHUP, EPOLLRDNORM, O_RDONLY, O_RDWR, O_WRONLY};
use fs::budget::Budget;
use fs::vfs::inode::Timestamp;

use super::*;
use crate::event::{self, eventfd};
use crate::ipc::pipe::pipe;
use crate::poll::tests::{TestSleeper, counting_waker, poll};

const NOW: Timestamp = Timestamp {
    seconds: 0,
    nanoseconds: 0,
};
const FD: Fd = Fd(3);

fn files() -> (Arc<OpenFile>, Arc<OpenFile>) {
    let (reader, writer) = pipe(&Budget::unlimited());
    (
        OpenFile::from_anonymous_pipe(reader, O_RDONLY, 0, 0, NOW),
        OpenFile::from_anonymous_pipe(writer, O_WRONLY, 0, 0, NOW),
    )
}

fn write(file: &OpenFile, bytes: &[u8]) {
    assert_eq!(file.try_write(&mut &*bytes, NOW), Ok(bytes.len()));
}

fn read(file: &OpenFile) {
    file.try_read(&mut fs::io::VecSink::new(100), NOW).unwrap();
}

fn epoll() -> Arc<OpenFile> {
    event::open(Arc::new(Epoll::new()), NAME, O_RDWR)
}

fn of(file: &OpenFile) -> &Epoll {
    Epoll::of(file).unwrap()
}

fn event(events: u32, data: u64) -> EpollEvent {
    EpollEvent { events, data }
}

/// What a call that does not wait gives.
fn ready(file: &OpenFile) -> Vec<(u32, u64)> {
    let mut all = Vec::new();
    let count = of(file).core.collect(10, &mut |index, event| {
        assert_eq!(usize::try_from(index), Ok(all.len()));
        all.push((event.events, event.data));
        Ok(())
    });
    assert_eq!(count, Ok(u32::try_from(all.len()).unwrap()));
    all
}

#[test]
fn level_tells_again_edge_once_one_shot_until_it_is_set_again() {
    let (reader, writer) = files();
    let all = epoll();
    for (fd, how) in [(3_i32, 0), (4, EPOLLET), (5, EPOLLONESHOT)] {
        let event = event(EPOLLIN | how, u64::from(fd.unsigned_abs()));
        of(&all).add(Fd(fd), &reader, event).unwrap();
    }
    assert_eq!(ready(&all), []);
    write(&writer, b"x");
    assert_eq!(ready(&all), [(EPOLLIN, 3), (EPOLLIN, 4), (EPOLLIN, 5)]);
    assert_eq!(ready(&all), [(EPOLLIN, 3)]);
    write(&writer, b"y");
    assert_eq!(ready(&all), [(EPOLLIN, 3), (EPOLLIN, 4)]);
    of(&all)
        .modify(
            Fd(5),
            &reader,
            event(EPOLLIN | EPOLLRDNORM | EPOLLONESHOT, 9),
        )
        .unwrap();
    assert_eq!(ready(&all), [(EPOLLIN, 3), (EPOLLIN | EPOLLRDNORM, 9)]);
    read(&reader);
    assert_eq!(ready(&all), []);
}

#[test]
fn files_that_are_not_ready_are_not_asked() {
    let all = epoll();
    let pairs: Vec<_> = (0..1000).map(|_| files()).collect();
    for (fd, (reader, _)) in pairs.iter().enumerate() {
        let data = u64::try_from(fd).unwrap();
        of(&all)
            .add(Fd(i32::try_from(fd).unwrap()), reader, event(EPOLLIN, data))
            .unwrap();
    }
    write(&pairs[700].1, b"x");
    assert_eq!(of(&all).core.ready.lock().len(), 1);
    assert_eq!(ready(&all), [(EPOLLIN, 700)]);
    read(&pairs[700].0);
    assert_eq!(ready(&all), []);
    assert_eq!(of(&all).core.ready.lock().len(), 0);
}

#[test]
fn closed_file_leaves_the_list() {
    let (reader, writer) = files();
    let all = epoll();
    of(&all).add(FD, &reader, event(EPOLLIN, 1)).unwrap();
    of(&all)
        .add(Fd(4), &writer, event(EPOLLOUT | EPOLLET, 2))
        .unwrap();
    assert_eq!(ready(&all), [(EPOLLOUT, 2)]);
    write(&writer, b"x");
    drop(reader);
    assert_eq!(of(&all).core.items.lock().len(), 1);
    // The pipe has lost its reader: that is an event, an edge too.
    assert_eq!(ready(&all), [(EPOLLOUT | EPOLLERR, 2)]);
    drop(writer);
    assert!(of(&all).core.items.lock().is_empty());
    assert!(of(&all).core.ready.lock().is_empty());
}

#[test]
fn closed_epoll_leaves_the_queues() {
    let (reader, writer) = files();
    let all = epoll();
    of(&all).add(FD, &reader, event(EPOLLIN, 1)).unwrap();
    let core = Arc::downgrade(&of(&all).core);
    drop(all);
    assert!(core.upgrade().is_none());
    assert!(reader.wait_queue().unwrap().is_empty());
    write(&writer, b"x");
}

#[test]
fn errors_are_those_of_epoll_ctl() {
    let (reader, writer) = files();
    let all = epoll();
    let add = |file: &Arc<OpenFile>, bits| {
        let added = of(&all).add(FD, file, event(bits, 0));
        added.map_err(|error| error.errno)
    };
    let errno = |result: Result<()>| result.map_err(|error| error.errno);
    assert_eq!(errno(of(&all).delete(FD, &reader)), Err(Errno::ENOENT));
    assert_eq!(
        errno(of(&all).modify(FD, &reader, event(0, 0))),
        Err(Errno::ENOENT)
    );
    assert_eq!(add(&reader, EPOLLIN), Ok(()));
    assert_eq!(add(&reader, EPOLLIN), Err(Errno::EEXIST));
    assert_eq!(
        add(&writer, EPOLLEXCLUSIVE | EPOLLONESHOT),
        Err(Errno::EINVAL)
    );
    assert_eq!(
        add(&writer, EPOLLEXCLUSIVE | EPOLLRDHUP),
        Err(Errno::EINVAL)
    );
    assert_eq!(add(&writer, EPOLLEXCLUSIVE | EPOLLOUT), Ok(()));
    assert_eq!(
        errno(of(&all).modify(FD, &writer, event(EPOLLOUT, 0))),
        Err(Errno::EINVAL)
    );
    assert_eq!(add(&epoll(), EPOLLEXCLUSIVE), Err(Errno::EINVAL));
    assert_eq!(errno(of(&all).delete(FD, &writer)), Ok(()));
}

#[test]
fn epolls_watch_each_other_but_not_in_a_circle_and_not_too_deep() {
    let (reader, writer) = files();
    let chain: Vec<_> = (0..7).map(|_| epoll()).collect();
    of(&chain[0]).add(FD, &reader, event(EPOLLIN, 0)).unwrap();
    let tie = |outer: usize, inner: usize| {
        let event = event(EPOLLIN | EPOLLET, u64::try_from(inner).unwrap());
        let added = of(&chain[outer]).add(FD, &chain[inner], event);
        added.map_err(|error| error.errno)
    };
    for outer in 1..5 {
        assert_eq!(tie(outer, outer - 1), Ok(()));
    }
    assert_eq!(tie(5, 4), Err(Errno::ELOOP));
    assert_eq!(tie(0, 4), Err(Errno::ELOOP));
    assert_eq!(tie(0, 0), Err(Errno::ELOOP));
    // From above too: what stands above counts.
    assert_eq!(tie(6, 5), Ok(()));
    assert_eq!(tie(0, 6), Err(Errno::ELOOP));
    let (waker, wakes) = counting_waker();
    let _top = chain[4].wait_queue().unwrap().register(&waker);
    write(&writer, b"x");
    assert_eq!(wakes.load(Ordering::Relaxed), 1);
    assert_eq!(chain[4].events(), Events::IN);
    assert_eq!(ready(&chain[4]), [(EPOLLIN, 3)]);
    assert_eq!(ready(&chain[4]), []);
    assert_eq!(ready(&chain[0]), [(EPOLLIN, 0)]);
    of(&chain[4]).delete(FD, &chain[3]).unwrap();
    assert_eq!(tie(0, 4), Ok(()));
}

#[test]
fn wait_ends_with_events_a_deadline_or_a_signal() {
    let sleeper = TestSleeper::new();
    let (reader, writer) = files();
    let all = epoll();
    of(&all)
        .add(FD, &reader, event(EPOLLIN | EPOLLET, 7))
        .unwrap();
    let wait =
        |deadline_ns| of(&all).wait(&sleeper, Arc::clone(&all), deadline_ns, 5, |_, _| Ok(()));
    let (waker, wakes) = counting_waker();
    let mut first = wait(None);
    let mut second = wait(None);
    assert_eq!(poll(&mut first, &waker), None);
    assert_eq!(poll(&mut second, &waker), None);
    write(&writer, b"x");
    // One of the two is enough.
    assert_eq!(wakes.load(Ordering::Relaxed), 1);
    assert_eq!(poll(&mut first, &waker), Some(Ok(1)));
    assert_eq!(poll(&mut second, &waker), None);
    assert!(matches!(wait(Some(0)), Outcome::Ready(Ok(0))));
    sleeper.interrupt();
    assert!(matches!(wait(Some(0)), Outcome::Ready(Ok(0))));
    let interrupted = Err(Fault::Interrupted(Restart::Never));
    assert_eq!(poll(&mut second, &waker), Some(interrupted));
}

#[test]
fn event_that_cannot_be_delivered_is_kept() {
    let all = epoll();
    let numbers: Vec<_> = (0..2)
        .map(|fd| {
            let number = eventfd::EventFd::new(1, eventfd::Mode::Counter);
            let file = event::open(Arc::new(number), eventfd::NAME, O_RDWR);
            of(&all)
                .add(Fd(fd), &file, event(EPOLLIN | EPOLLET, 0))
                .unwrap();
            file
        })
        .collect();
    let core = &of(&all).core;
    let mut room = 1;
    let mut deliver = |_: u32, _: EpollEvent| -> Result<()> {
        room -= 1;
        if room < 0 {
            Err(Errno::EFAULT.into())
        } else {
            Ok(())
        }
    };
    assert_eq!(core.collect(10, &mut deliver), Ok(1));
    assert_eq!(
        core.collect(10, &mut deliver).map_err(|error| error.errno),
        Err(Errno::EFAULT)
    );
    assert_eq!(ready(&all).len(), 1);
    drop(numbers);
}

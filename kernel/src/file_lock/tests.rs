//! Locks through open file descriptions.

use std::borrow::Cow;

use fs::vfs::inode::{FileType, Metadata, Timestamp};

use super::*;
use crate::device::null::Null;
use crate::open_file::Anonymous;
use crate::poll::tests::{TestSleeper, counting_waker, poll};

const WHOLE: Range = Range {
    first: 0,
    last: u64::MAX,
};
const A: Owner = Owner::Process(1);
const B: Owner = Owner::Process(2);

/// A description of the file with number `inode`.
fn open(inode: u64) -> Arc<OpenFile> {
    let time = Timestamp::default();
    let metadata = Metadata::anonymous(1, inode, FileType::Regular, 0o600, time);
    let name = Cow::Borrowed("file");
    OpenFile::anonymous(
        Arc::new(Null),
        Anonymous { metadata, name },
        abi::flags::O_RDWR,
    )
}

fn number(outcome: Outcome<()>) -> i32 {
    match outcome {
        Outcome::Ready(Ok(())) => 0,
        Outcome::Ready(Err(Fault::Error(error))) => error.errno.number(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn flock_excludes_other_descriptions_until_the_last_reference_goes() {
    let (locks, sleeper) = (FileLocks::new(), TestSleeper::new());
    let (first, second) = (open(1), open(1));
    let try_lock =
        |file: &Arc<OpenFile>, kind| number(locks.flock(&sleeper, file, kind, LockWait::Fail));
    assert_eq!(try_lock(&first, Some(LockKind::Exclusive)), 0);
    assert_eq!(try_lock(&first, Some(LockKind::Exclusive)), 0);
    assert_eq!(
        try_lock(&second, Some(LockKind::Shared)),
        Errno::EAGAIN.number()
    );
    assert_eq!(try_lock(&open(2), Some(LockKind::Exclusive)), 0);
    assert_eq!(try_lock(&first, Some(LockKind::Shared)), 0);
    assert_eq!(try_lock(&second, Some(LockKind::Shared)), 0);
    drop(first);
    assert_eq!(try_lock(&second, Some(LockKind::Exclusive)), 0);
    assert_eq!(try_lock(&second, None), 0);
    assert!(locks.state.lock().files.is_empty());
}

#[test]
fn flock_waits_for_the_unlock() {
    let (locks, sleeper) = (FileLocks::new(), TestSleeper::new());
    let (first, second) = (open(1), open(1));
    let lock = |file: &Arc<OpenFile>| {
        locks.flock(&sleeper, file, Some(LockKind::Exclusive), LockWait::Block)
    };
    assert_eq!(number(lock(&first)), 0);
    let mut waiting = lock(&second);
    let (waker, wakes) = counting_waker();
    assert_eq!(poll(&mut waiting, &waker), None);
    drop(first);
    assert_eq!(wakes.load(std::sync::atomic::Ordering::Relaxed), 1);
    assert_eq!(poll(&mut waiting, &waker), Some(Ok(())));
}

#[test]
fn closing_any_descriptor_drops_the_locks_of_the_process() {
    let (locks, sleeper) = (FileLocks::new(), TestSleeper::new());
    let (first, second) = (open(1), open(1));
    let kind = Some(LockKind::Exclusive);
    let set = |owner, range| locks.set_record(&sleeper, &first, owner, kind, range, LockWait::Fail);
    assert_eq!(
        number(set(
            A,
            Range {
                first: 10,
                last: 19
            }
        )),
        0
    );
    assert_eq!(number(set(B, Range { first: 0, last: 9 })), 0);
    assert_eq!(number(set(B, WHOLE)), Errno::EAGAIN.number());
    let conflict = locks
        .find_conflict(&second, B, LockKind::Shared, WHOLE)
        .unwrap()
        .unwrap();
    assert_eq!((conflict.owner, conflict.range.first), (A, 10));
    locks.closed(&second, 1);
    assert_eq!(number(set(B, WHOLE)), 0);
    locks.forget_process(2);
    assert!(locks.state.lock().files.is_empty());
}

#[test]
fn circular_wait_is_refused() {
    let (locks, sleeper) = (FileLocks::new(), TestSleeper::new());
    let (file, kind) = (open(1), Some(LockKind::Exclusive));
    let byte = |first| Range { first, last: first };
    let set =
        |owner, first| locks.set_record(&sleeper, &file, owner, kind, byte(first), LockWait::Block);
    assert_eq!((number(set(A, 0)), number(set(B, 1))), (0, 0));
    let mut waiting = set(A, 1);
    let (waker, _) = counting_waker();
    assert_eq!(poll(&mut waiting, &waker), None);
    assert_eq!(number(set(B, 0)), Errno::EDEADLK.number());
    locks.forget_process(2);
    assert_eq!(poll(&mut waiting, &waker), Some(Ok(())));
}

#[test]
fn description_locks_end_with_the_description() {
    let (locks, sleeper) = (FileLocks::new(), TestSleeper::new());
    let (first, second) = (open(1), open(1));
    let set = |file: &Arc<OpenFile>| {
        let (owner, kind) = (Owner::Description(file.id()), Some(LockKind::Exclusive));
        number(locks.set_record(&sleeper, file, owner, kind, WHOLE, LockWait::Fail))
    };
    assert_eq!((set(&first), set(&second)), (0, Errno::EAGAIN.number()));
    drop(first);
    assert_eq!(set(&second), 0);
}

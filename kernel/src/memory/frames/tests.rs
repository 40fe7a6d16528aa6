//! Processes that share frames, on a host that the test controls.

use abi::Errno;
use fs::vfs::file::GuestMemory;

use super::{PAGE_BYTES, text};
use crate::call::Outcome;
use crate::platform::{Level, UserMemory};
use crate::testing::{FakeMemory, Progress, TestGuest, TestPod};

/// An address in the data of the test program: above its stack.
const DATA: u32 = 0x1_0000;
/// One in its stack.
const STACK: u32 = 0x8000;

/// A pod whose engine has `frames` memories.
fn pod(frames: u32) -> TestPod {
    let pod = TestPod::new().unwrap();
    pod.platform.limit_frames(frames);
    pod
}

/// A guest that waits for ever, and has written `word` into its data and its stack.
fn sleeper(pod: &TestPod, word: &[u8]) -> TestGuest {
    let guest = pod.spawn().unwrap();
    assert_eq!(guest.task.runs_first(), 0);
    guest.memory.copy_out(DATA, word).unwrap();
    guest.memory.copy_out(STACK, word).unwrap();
    assert_eq!(sleep(&guest), Progress::Parked);
    leave(pod);
    guest
}

/// The guest waits until a signal comes.
fn sleep(guest: &TestGuest) -> Progress {
    guest.make(|task| {
        let task = std::sync::Arc::clone(task);
        Outcome::<u32>::from_future(async move {
            std::future::poll_fn(|_| {
                if crate::call::Sleeper::is_interrupted(&*task) {
                    std::task::Poll::Ready(Err(crate::call::Fault::Interrupted(
                        crate::call::Restart::NoHandler,
                    )))
                } else {
                    std::task::Poll::Pending
                }
            })
            .await
        })
    })
}

/// The executor runs, as after each wait of a guest.
fn leave(pod: &TestPod) {
    pod.kernel.frames.leave(pod.kernel.executors()[0].worker());
}

fn word(memory: &FakeMemory, address: u32) -> [u8; 4] {
    let mut bytes = [0; 4];
    memory.copy_in(address, &mut bytes).unwrap();
    bytes
}

fn all_zero(memory: &FakeMemory) -> bool {
    let mut bytes = vec![0; 4 * 65536];
    assert_eq!(memory.size_pages(), 4);
    memory.copy_in(0, &mut bytes).unwrap();
    bytes.iter().all(|&byte| byte == 0)
}

#[test]
fn more_guests_than_frames_keep_their_memories() {
    let pod = pod(3);
    let guests: Vec<_> = (0_u32..20)
        .map(|number| sleeper(&pod, &number.to_le_bytes()))
        .collect();
    assert_eq!(pod.platform.nr_frames(), 3);
    for _ in 0..3 {
        for (guest, number) in guests.iter().zip(0_u32..20).rev() {
            assert_eq!(word(&guest.memory, DATA), number.to_le_bytes());
            assert_eq!(word(&guest.memory, STACK), number.to_le_bytes());
        }
    }
    let report = pod.kernel.frames.report()[0];
    assert_eq!(
        (report.nr_guests, report.nr_swapped, report.nr_frames),
        (20, 17, 3)
    );
    assert_eq!(report.nr_shared, 3);
    // The end of the data and the page of the stack, and where the arguments are.
    assert_eq!(report.plain_bytes, 17 * 3 * PAGE_BYTES);
    assert_eq!(report.nr_moved_out - report.nr_moved_in, 17);
}

#[test]
fn the_engine_s_limit_is_learned_and_told_once() {
    let pod = pod(2);
    for number in 0_u32..6 {
        sleeper(&pod, &number.to_le_bytes());
    }
    let log = pod.platform.take_log();
    let told = log
        .iter()
        .filter(|(_, line)| line.contains("no memory beyond 2"));
    assert_eq!(told.count(), 1, "{log:?}");
    assert_eq!(pod.kernel.frames.report()[0].max_frames, 2);
}

#[test]
fn without_any_memory_a_process_is_killed_and_the_pod_lives() {
    let pod = pod(0);
    let guest = pod.spawn().unwrap();
    assert!(!pod.kernel.is_alive(guest.process.pid));
    pod.platform.limit_frames(1);
    assert!(pod.kernel.is_alive(pod.spawn().unwrap().process.pid));
}

#[test]
fn a_guest_that_runs_keeps_its_frame() {
    let pod = pod(1);
    let waiting = sleeper(&pod, b"wait");
    let running = sleeper(&pod, b"runs");
    pod.kernel
        .frames
        .enter(running.task.executor().worker(), running.task.slot);
    let mut bytes = [0; 4];
    let refused = waiting.memory.copy_in(DATA, &mut bytes).unwrap_err();
    assert_eq!(refused.errno, Errno::EFAULT);
    let log = pod.platform.take_log();
    assert!(
        log.iter()
            .any(|(level, line)| *level == Level::Error && line.contains("wants in"))
    );
    // There is no other frame, so a third guest cannot be seated while one runs.
    let third = pod.spawn().unwrap();
    assert!(!pod.kernel.is_alive(third.process.pid));
    assert_eq!(word(&running.memory, DATA), *b"runs");
    leave(&pod);
    assert_eq!(word(&waiting.memory, DATA), *b"wait");
}

#[test]
fn a_guest_is_brought_back_when_it_wakes_and_not_when_it_dies() {
    let pod = pod(1);
    let first = sleeper(&pod, b"frst");
    let second = sleeper(&pod, b"scnd");
    assert!(!first.task.residency().is_resident());
    let moved_in = || pod.kernel.frames.report()[0].nr_moved_in;
    let before = moved_in();
    pod.kernel.kill(first.process.pid, 9).unwrap();
    pod.run();
    assert_eq!(first.go_on(), Progress::Dead);
    assert_eq!(moved_in(), before, "its memory is not read again");
    pod.run();
    assert_eq!(pod.kernel.frames.report()[0].nr_guests, 1);
    assert_eq!(word(&second.memory, DATA), *b"scnd");
}

#[test]
fn nobody_sees_what_another_guest_left() {
    let pod = pod(1);
    let first = sleeper(&pod, b"frst");
    // Returned calls have left something below the stack pointer.
    pod.platform.set_stack_pointer(first.task.slot, STACK);
    first.memory.copy_out(STACK - 0x2000, b"dead").unwrap();
    first.memory.copy_out(STACK - 100, b"leaf").unwrap();
    let second = sleeper(&pod, b"scnd");
    assert_eq!(word(&second.memory, STACK - 0x2000), [0; 4]);
    assert_eq!(
        word(&first.memory, STACK - 100),
        *b"leaf",
        "a leaf may use what is just below"
    );
    assert_eq!(word(&first.memory, STACK - 0x2000), [0; 4]);
    for guest in [&first, &second] {
        pod.kernel.kill(guest.process.pid, 9).unwrap();
        pod.run();
        assert_eq!(guest.go_on(), Progress::Dead);
        pod.run();
    }
    assert_eq!(pod.platform.nr_frames(), 1);
    assert!(pod.platform.frames().iter().all(|memory| all_zero(memory)));
}

#[test]
fn heap_and_mappings_are_moved_with_the_rest() {
    let pod = pod(1);
    let first = sleeper(&pod, b"frst");
    let space = first.process.address_space();
    let heap = space.lock().set_brk(&*first.memory, 0);
    assert_eq!(
        space.lock().set_brk(&*first.memory, heap + 9000),
        heap + 9000
    );
    let mapping = space.lock().map(&*first.memory, 8192, None).unwrap();
    first.memory.copy_out(heap + 8990, b"heap").unwrap();
    first.memory.copy_out(mapping + 8188, b"mmap").unwrap();
    let second = sleeper(&pod, b"scnd");
    assert_eq!(word(&second.memory, heap + 8990), [0; 4]);
    assert_eq!(word(&second.memory, mapping + 8188), [0; 4]);
    assert_eq!(word(&first.memory, heap + 8990), *b"heap");
    assert_eq!(word(&first.memory, mapping + 8188), *b"mmap");
}

#[test]
fn frames_slots_and_storage_do_not_grow_with_the_number_of_processes() {
    let pod = pod(2);
    let keeper = sleeper(&pod, b"keep");
    for number in 0_u32..500 {
        let guest = sleeper(&pod, &number.to_le_bytes());
        let other = sleeper(&pod, b"more");
        for guest in [&guest, &other] {
            pod.kernel.kill(guest.process.pid, 9).unwrap();
            pod.run();
            assert_eq!(guest.go_on(), Progress::Dead);
            pod.run();
        }
        let report = pod.kernel.frames.report()[0];
        assert_eq!((report.nr_guests, report.nr_frames), (1, 2));
        assert_eq!(pod.kernel.nr_guests(), 1);
    }
    assert_eq!(word(&keeper.memory, DATA), *b"keep");
    // A frame that waits costs what its guest had: 64 KiB of stack, and its data.
    let idle = pod.kernel.budget().used(fs::budget::Class::IdleFrames);
    let charged = keeper.process.address_space().lock().resident_bytes();
    assert!(idle > 0 && idle <= charged, "{idle} of {charged}");
    assert_eq!(pod.kernel.frames.report()[0].held_bytes, 0);
}

#[test]
fn beyond_the_budget_of_stacks_there_is_eagain_and_one_line() {
    let pod = pod(2);
    pod.kernel.frames.set_budgets(2, 3);
    let guests: Vec<_> = (0..3).map(|_| sleeper(&pod, b"full")).collect();
    for _ in 0..3 {
        assert_eq!(pod.spawn().unwrap_err().errno, Errno::EAGAIN);
    }
    let told = |log: Vec<(Level, String)>| {
        log.iter()
            .filter(|(_, line)| line.contains("no more processes"))
            .count()
    };
    assert_eq!(told(pod.platform.take_log()), 1);
    pod.kernel.kill(guests[0].process.pid, 9).unwrap();
    pod.run();
    assert_eq!(guests[0].go_on(), Progress::Dead);
    pod.run();
    assert!(pod.spawn().is_ok());
}

#[test]
fn the_budget_is_shared_out_among_workers() {
    let pod = TestPod::with_workers(3).unwrap();
    pod.kernel.frames.set_budgets(10, 100);
    let shares = |pod: &TestPod| -> Vec<usize> {
        let reports = pod.kernel.frames.report();
        reports.iter().map(|report| report.max_frames).collect()
    };
    assert_eq!(shares(&pod), [4, 3, 3]);
    pod.kernel.frames.set_budgets(1, 100);
    assert_eq!(shares(&pod), [1, 1, 1]);
    let text = String::from_utf8(text(&pod.kernel)).unwrap();
    assert_eq!(text.lines().count(), 4);
    assert!(
        text.starts_with("worker 0 guests 0 runnable 0 frames 0 max_frames 1 "),
        "{text}"
    );
    assert!(text.ends_with("stacks 0 max_stacks 100\n"), "{text}");
}

//! The planner against servers that are slow, break, change, and lie.

#![cfg(test)]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::single_range_in_vec_init,
    reason = "numbers of the tests, and lists of one range"
)]

use std::ops::Range;

use fs_block::{BlockDevice, MemDisk};
use fs_image::{
    Answer, Failure, HotList, Planner, PlannerOptions, ReadRecorder, Request, RequestId, Settled,
};

const KIB: u64 = 1024;
const MS: u64 = 1_000_000;
const TOTAL: u64 = 64 * 1024 * KIB;

fn planner() -> Planner {
    Planner::new(TOTAL, Some("\"v1\"".into()), PlannerOptions::default())
}

/// What a good server says.
fn good(range: &Range<u64>) -> Answer {
    Answer::Response {
        status: 206,
        etag: Some("\"v1\"".into()),
        content_range: Some(format!("bytes {}-{}/{TOTAL}", range.start, range.end - 1)),
        body_len: range.end - range.start,
        retry_after_s: None,
    }
}

fn status(status: u16, retry_after_s: Option<u32>) -> Answer {
    Answer::Response {
        status,
        etag: None,
        content_range: None,
        body_len: 10,
        retry_after_s,
    }
}

fn ranges(planner: &mut Planner, now: u64) -> Vec<Range<u64>> {
    std::iter::from_fn(|| planner.next(now))
        .map(|request| request.range)
        .collect()
}

#[test]
fn misses_are_aligned_and_neighbours_merged_and_the_same_asked_once() {
    let mut planner = planner();
    for offset in [5000, 9000, 5000, 130 * KIB, 400 * KIB, 9 * 1024 * KIB] {
        planner.miss(offset..offset + 4096).unwrap();
    }
    let first = planner.next(0).unwrap();
    // The first two ranges touch, and what was read ahead of them is there as well.
    assert_eq!(first.range.start, 0);
    assert!(first.range.end >= 512 * KIB, "{first:?}");
    assert_eq!(first.if_range.as_deref(), Some("\"v1\""));
    let others = ranges(&mut planner, 0);
    assert!(
        others.contains(&(9 * 1024 * KIB..9 * 1024 * KIB + 128 * KIB)),
        "{others:?}"
    );
    planner.miss(5000..9000).unwrap();
    assert_eq!(planner.next(0), None, "it is on its way");
    let settled = planner.settle(first.id, &good(&first.range), 0);
    assert_eq!(settled, Settled::Take(first.range.clone()));
    assert_eq!(
        planner.settle(first.id, &good(&first.range), 0),
        Settled::Unknown
    );
    // What was evicted is asked for again.
    planner.forget(&(0..128 * KIB));
    planner.miss(0..4096).unwrap();
    assert_eq!(
        planner.next(0).map(|request| request.range),
        Some(0..128 * KIB)
    );
    // The end of the image is not crossed.
    let mut planner = Planner::new(100 * KIB + 512, None, PlannerOptions::default());
    planner.miss(100 * KIB..100 * KIB + 512).unwrap();
    assert_eq!(ranges(&mut planner, 0), [0..100 * KIB + 512]);
}

#[test]
fn a_weak_tag_is_compared_and_not_sent() {
    let weak = Some("W/\"v1\"".to_owned());
    let mut planner = Planner::new(TOTAL, weak.clone(), PlannerOptions::default());
    planner.miss(0..512).unwrap();
    let request = planner.next(0).unwrap();
    assert_eq!(request.if_range, None);
    let settled = planner.settle(request.id, &good(&request.range), 0);
    assert_eq!(settled, Settled::Over(Failure::Changed));
}

#[test]
fn failures_are_tried_again_later_and_later_until_they_have_failed() {
    let options = PlannerOptions::default();
    let mut planner = planner();
    planner.miss(0..4096).unwrap();
    let mut now = 0;
    let mut pauses = Vec::new();
    for _ in 1..options.max_tries {
        let Request { id, .. } = planner.next(now).unwrap();
        let Settled::Again(Failure::Busy(503), at) = planner.settle(id, &status(503, None), now)
        else {
            panic!("tried again");
        };
        assert_eq!(planner.next(at - 1), None);
        assert_eq!(planner.wake_ns(), Some(at));
        pauses.push(at - now);
        now = at;
    }
    assert!(pauses.is_sorted() && pauses[0] >= 250 * MS, "{pauses:?}");
    assert!(*pauses.last().unwrap() >= 4000 * MS, "{pauses:?}");
    let Request { id, range, .. } = planner.next(now).unwrap();
    let settled = planner.settle(id, &Answer::Network, now);
    assert_eq!(settled, Settled::Failed(Failure::Network, range.clone()));
    // The network is back.
    planner.miss(0..4096).unwrap();
    let request = planner.next(now).unwrap();
    assert_eq!(
        planner.settle(request.id, &good(&request.range), now),
        Settled::Take(range)
    );
    // A server that names a time gets it.
    planner.miss(TOTAL / 2..TOTAL / 2 + 512).unwrap();
    let Request { id, .. } = planner.next(now).unwrap();
    let settled = planner.settle(id, &status(429, Some(30)), now);
    assert!(matches!(settled, Settled::Again(_, at) if at >= now + 30_000 * MS));
}

#[test]
fn requests_that_get_nothing_for_long_are_aborted() {
    let mut planner = planner();
    planner.miss(0..4096).unwrap();
    let Request { id, .. } = planner.next(0).unwrap();
    assert_eq!(planner.stalled(14_000 * MS), []);
    planner.progress(id, 14_000 * MS);
    assert_eq!(planner.stalled(28_000 * MS), []);
    assert_eq!(planner.stalled(29_000 * MS), [id]);
    let settled = planner.settle(id, &Answer::Stalled, 29_000 * MS);
    assert!(
        matches!(settled, Settled::Again(Failure::Stalled, _)),
        "{settled:?}"
    );
}

#[test]
fn a_changed_image_ends_everything_and_a_missing_one_only_the_request() {
    let mut planner = planner();
    planner.miss(0..4096).unwrap();
    let request = planner.next(0).unwrap();
    let missing = planner.settle(request.id, &status(404, None), 0);
    assert_eq!(
        missing,
        Settled::Failed(Failure::Refused(404), request.range.clone())
    );
    planner.miss(0..4096).unwrap();
    let request = planner.next(0).unwrap();
    let Answer::Response {
        content_range,
        body_len,
        ..
    } = good(&request.range)
    else {
        panic!("a response");
    };
    let other = Answer::Response {
        status: 206,
        etag: Some("\"v2\"".into()),
        content_range,
        body_len,
        retry_after_s: None,
    };
    assert_eq!(
        planner.settle(request.id, &other, 0),
        Settled::Over(Failure::Changed)
    );
    assert_eq!(planner.miss(0..4096), Err(Failure::Changed));
    assert_eq!(planner.next(0), None);
}

#[test]
fn a_short_but_honest_answer_is_taken_and_the_rest_asked_for() {
    let mut planner = planner();
    planner.miss(0..4096).unwrap();
    let request = planner.next(0).unwrap();
    assert_eq!(
        planner.settle(request.id, &good(&(0..50 * KIB)), 0),
        Settled::Take(0..50 * KIB)
    );
    assert_eq!(ranges(&mut planner, 0), [50 * KIB..128 * KIB]);
}

#[test]
fn prefetching_leaves_a_way_free_for_misses() {
    let mut planner = planner();
    planner.prefetch(&HotList::new(
        (0..20).map(|n| (n * 3 * 1024 * KIB, 4096)).collect(),
    ));
    let sent = ranges(&mut planner, 0).len();
    assert_eq!(sent, PlannerOptions::default().max_flying - 1);
    planner.miss(TOTAL - 4096..TOTAL).unwrap();
    assert_eq!(ranges(&mut planner, 0), [TOTAL - 128 * KIB..TOTAL]);
    // What is prefetched later and missed now comes now.
    let mut planner = planner_with(1);
    planner.prefetch(&HotList::new(vec![
        (0, 4096),
        (1024 * KIB, 4096),
        (2048 * KIB, 4096),
    ]));
    planner.miss(2048 * KIB..2048 * KIB + 512).unwrap();
    assert_eq!(ranges(&mut planner, 0), [2048 * KIB..2176 * KIB]);
}

fn planner_with(max_flying: usize) -> Planner {
    let options = PlannerOptions {
        max_flying,
        ..PlannerOptions::default()
    };
    Planner::new(TOTAL, None, options)
}

/// How long, in milliseconds, a reader takes that needs these ranges one after the other, when a
/// request takes 200 ms and 10 MB/s are shared; and how many requests were made.
fn simulate(mut planner: Planner, reads: &[Range<u64>]) -> (u64, usize) {
    let (mut now, mut line_free, mut nr_requests) = (0_u64, 0_u64, 0);
    let mut flying: Vec<(u64, RequestId, Range<u64>)> = Vec::new();
    let mut here: Vec<Range<u64>> = Vec::new();
    for read in reads {
        let is_here = |here: &[Range<u64>], at: u64| here.iter().any(|range| range.contains(&at));
        if is_here(&here, read.start) && is_here(&here, read.end - 1) {
            continue;
        }
        planner.miss(read.clone()).unwrap();
        while !(is_here(&here, read.start) && is_here(&here, read.end - 1)) {
            while let Some(Request { id, range, .. }) = planner.next(now) {
                nr_requests += 1;
                let transfer = (range.end - range.start) * 100;
                line_free = line_free.max(now + 200 * MS) + transfer;
                flying.push((line_free, id, range));
            }
            flying.sort_by_key(|(at, ..)| *at);
            let (at, id, range) = flying.remove(0);
            now = now.max(at);
            assert_eq!(
                planner.settle(id, &good(&range), now),
                Settled::Take(range.clone())
            );
            here.push(range);
        }
    }
    (now / MS, nr_requests)
}

#[test]
fn latency_is_hidden_by_merging_reading_ahead_and_the_hot_list() {
    // A boot: metadata here and there, a large program, small files; 4 KiB at a time.
    let mut reads: Vec<Range<u64>> = Vec::new();
    for place in [0, 40, 20_000, 33_000, 41_000, 52_000] {
        reads.push(place * KIB..(place + 4) * KIB);
    }
    for block in 0..375 {
        reads.push((22_000 + block * 4) * KIB..(22_004 + block * 4) * KIB);
    }
    for file in 0..30 {
        let place = 34_000 + (file * 7919) % 9000 / 4 * 4;
        reads.push(place * KIB..(place + 4) * KIB);
    }
    let single = PlannerOptions {
        align_bytes: 4096,
        max_ahead_bytes: 0,
        max_gap_bytes: 0,
        ..PlannerOptions::default()
    };
    let etag = || Some("\"v1\"".to_owned());
    let (naive, naive_requests) = simulate(Planner::new(TOTAL, etag(), single), &reads);
    let (cold, cold_requests) = simulate(planner(), &reads);
    let disk = ReadRecorder::new(MemDisk::zeroed(usize::try_from(TOTAL).unwrap()), 4096);
    for read in &reads {
        disk.read(read.start, &mut [0; 4096]).unwrap();
    }
    let mut hot = planner();
    hot.prefetch(&disk.hot_list());
    let (warm, warm_requests) = simulate(hot, &reads);
    println!(
        "blocks alone: {naive} ms, {naive_requests} requests; planned: {cold} ms, {cold_requests}; \
         with the hot list: {warm} ms, {warm_requests}"
    );
    assert!(cold * 5 < naive, "{cold} of {naive} ms");
    assert!(warm * 2 < cold, "{warm} of {cold} ms");
}

#[test]
fn a_hot_list_is_what_was_read_first_in_order() {
    let disk = ReadRecorder::new(MemDisk::zeroed(1 << 20), 4096);
    for (at, len) in [
        (8192, 4096),
        (0, 100),
        (12_288, 8192),
        (8192, 512),
        ((1 << 20) - 512, 512),
    ] {
        disk.read(at, &mut vec![0; len]).unwrap();
    }
    let hot = disk.hot_list();
    let expected = [
        (8192, 4096),
        (0, 4096),
        (12_288, 8192),
        ((1 << 20) - 4096, 4096),
    ];
    assert_eq!(hot.ranges(), expected);
    assert_eq!(hot.len_bytes(), 20_480);
    assert_eq!(
        hot.chunks(16_384)
            .iter()
            .map(|chunk| chunk.0)
            .collect::<Vec<_>>(),
        [0, 1, 63]
    );
    assert_eq!(
        hot.to_json(),
        "{\"format\":1,\"ranges\":[[8192,4096],[0,4096],[12288,8192],[1044480,4096]]}\n"
    );
}

//! What a nice value is worth: sched(7), "The nice value".

use abi::flags::{SCHED_FIFO, SCHED_IDLE, SCHED_RR};

/// The weight of nice 0.
const DEFAULT_WEIGHT: u32 = 1024;
/// The weight of `SCHED_IDLE`.
const IDLE_WEIGHT: u32 = 3;
/// Niceness is from -20 to 19.
const LOWEST_NICE: i32 = -20;

/// Weights by niceness from -20: each step is worth about a quarter more than the next, so that
/// of two processes on one Worker the one with a step less gets 55 % of the time.
///
/// The values are part of how nice values behave on Linux (v6.12 kernel/sched/core.c,
/// `sched_prio_to_weight`): 1024 times 1.25 to the power of `-nice`, rounded as there.
const WEIGHTS: [u32; 40] = [
    88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904,
    3906, 3121, 2501, 1991, 1586, 1277, 1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110, 87,
    70, 56, 45, 36, 29, 23, 18, 15,
];

/// The weight of a process: its share of a Worker is its part of the sum of all weights there.
pub(crate) fn weight_of(nice: i32, policy: i32) -> u32 {
    if policy == SCHED_IDLE {
        return IDLE_WEIGHT;
    }
    // Real-time policies get the most that anybody gets.
    let nice = if matches!(policy, SCHED_FIFO | SCHED_RR) {
        LOWEST_NICE
    } else {
        nice
    };
    usize::try_from(nice.saturating_sub(LOWEST_NICE))
        .ok()
        .and_then(|index| WEIGHTS.get(index))
        .copied()
        .unwrap_or(DEFAULT_WEIGHT)
}

/// How much virtual time passes for a process of `weight` that has run for `ns` nanoseconds.
pub(crate) fn virtual_ns(ns: u64, weight: u32) -> u64 {
    if weight == DEFAULT_WEIGHT {
        return ns;
    }
    ns.saturating_mul(u64::from(DEFAULT_WEIGHT))
        .checked_div(u64::from(weight))
        .unwrap_or(ns)
}

#[cfg(test)]
mod tests {
    use abi::flags::SCHED_OTHER;

    use super::*;

    #[test]
    fn each_step_is_worth_a_quarter() {
        for nice in -20..19 {
            let ratio = f64::from(weight_of(nice, SCHED_OTHER))
                / f64::from(weight_of(nice + 1, SCHED_OTHER));
            assert!((1.15..1.35).contains(&ratio), "{nice}: {ratio}");
        }
        assert_eq!(weight_of(0, SCHED_OTHER), DEFAULT_WEIGHT);
        assert_eq!(weight_of(-20, SCHED_IDLE), IDLE_WEIGHT);
        assert_eq!(weight_of(19, SCHED_FIFO), weight_of(-20, SCHED_OTHER));
    }

    #[test]
    fn time_passes_faster_for_the_nice() {
        assert_eq!(virtual_ns(1000, 1024), 1000);
        assert_eq!(virtual_ns(1000, 512), 2000);
        assert_eq!(virtual_ns(u64::MAX, 2048), u64::MAX / 2048);
    }
}

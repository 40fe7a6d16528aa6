//! Load averages, from how long guests ran.
//!
//! Linux counts ready tasks every five seconds. Here nobody counts while nobody asks: the guests'
//! running time since the last question, over the time that passed, is how many ran on average,
//! and it fades into the three averages as Linux's counts do.

use executor::sync::Lock;

/// The periods, in nanoseconds: 1, 5 and 15 minutes.
const PERIODS_NS: [u64; 3] = [60_000_000_000, 300_000_000_000, 900_000_000_000];
/// Averages are kept in millionths.
const MILLION: u64 = 1_000_000;

#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    at_ns: u64,
    ran_ns: u64,
    millionths: [u64; 3],
}

/// The averages over 1, 5 and 15 minutes.
#[derive(Debug, Default)]
pub struct LoadAverage(Lock<Sample>);

impl LoadAverage {
    /// The averages now, in hundredths; `ran_ns`: how long all guests have run since the boot.
    pub fn sample(&self, now_ns: u64, ran_ns: u64) -> [u64; 3] {
        let mut last = self.0.lock();
        let passed_ns = now_ns.saturating_sub(last.at_ns);
        if passed_ns > 0 {
            let ran_since_ns = ran_ns.saturating_sub(last.ran_ns);
            let recent = ran_since_ns
                .saturating_mul(MILLION)
                .checked_div(passed_ns)
                .unwrap_or(0);
            let old = last.millionths;
            for ((average, old), period_ns) in last.millionths.iter_mut().zip(old).zip(PERIODS_NS) {
                // As good as e^-x for times that are short beside the period, and never wrong in
                // its sign: weight of the old average = period / (period + passed).
                let total_ns = period_ns.saturating_add(passed_ns);
                let weighted = u128::from(old)
                    .saturating_mul(u128::from(period_ns))
                    .saturating_add(u128::from(recent).saturating_mul(u128::from(passed_ns)));
                let mean = weighted.checked_div(u128::from(total_ns)).unwrap_or(0);
                *average = u64::try_from(mean).unwrap_or(u64::MAX);
            }
            (last.at_ns, last.ran_ns) = (now_ns, ran_ns.max(last.ran_ns));
        }
        last.millionths.map(|average| {
            average
                .saturating_add(5_000)
                .checked_div(10_000)
                .unwrap_or(0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_rise_and_fade() {
        let load = LoadAverage::default();
        let second = 1_000_000_000;
        assert_eq!(load.sample(second, 0), [0, 0, 0]);
        // Two guests run for a minute.
        let [one, five, fifteen] = load.sample(61 * second, 120 * second);
        assert_eq!(one, 100);
        assert!(five < one && fifteen < five && fifteen > 0);
        let [later, ..] = load.sample(661 * second, 120 * second);
        assert!(later < 10);
    }
}

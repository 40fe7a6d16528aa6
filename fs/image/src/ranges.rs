//! A set of byte ranges: sorted, apart from each other.

use core::ops::Range;

/// Bytes by number; empty by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeSet(Vec<Range<u64>>);

impl RangeSet {
    /// The ranges that touch `range`, or lie directly before or behind it.
    fn touching(&self, range: &Range<u64>) -> Range<usize> {
        let first = self.0.partition_point(|known| known.end < range.start);
        let end = self.0.partition_point(|known| known.start <= range.end);
        first..end.max(first)
    }

    /// Adds the bytes of `range`.
    pub fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let touching = self.touching(&range);
        let known = self.0.get(touching.clone()).unwrap_or_default();
        let start = known
            .first()
            .map_or(range.start, |first| first.start.min(range.start));
        let end = known
            .last()
            .map_or(range.end, |last| last.end.max(range.end));
        self.0.splice(touching, core::iter::once(start..end));
    }

    /// Takes the bytes of `range` out.
    pub fn remove(&mut self, range: &Range<u64>) {
        if range.is_empty() {
            return;
        }
        let touching = self.touching(range);
        let known = self.0.get(touching.clone()).unwrap_or_default();
        let rest: Vec<Range<u64>> = known
            .iter()
            .flat_map(|known| {
                [
                    known.start..known.end.min(range.start),
                    known.start.max(range.end)..known.end,
                ]
            })
            .filter(|part| !part.is_empty())
            .collect();
        self.0.splice(touching, rest);
    }

    /// Whether a byte of `range` is in the set.
    pub(crate) fn overlaps(&self, range: &Range<u64>) -> bool {
        self.gaps(range.clone()).iter().fold(0_u64, |sum, gap| {
            sum.saturating_add(gap.end.saturating_sub(gap.start))
        }) < range.end.saturating_sub(range.start)
    }

    /// The parts of `range` that are not in the set.
    pub fn gaps(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let mut gaps = Vec::new();
        let mut at = range.start;
        for known in self.0.get(self.touching(&range)).unwrap_or_default() {
            if known.start > at {
                gaps.push(at..known.start.min(range.end));
            }
            at = at.max(known.end);
        }
        if at < range.end {
            gaps.push(at..range.end);
        }
        gaps.retain(|gap| !gap.is_empty());
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_ranges_is_as_a_set_of_numbers() {
        let mut state = 7_u64;
        let mut next = |end: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % end
        };
        let mut set = RangeSet::default();
        let mut model = [false; 64];
        for _ in 0..20_000 {
            let start = next(64);
            let range = start..start + next(65 - start);
            let numbers =
                usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
            match next(3) {
                0 => {
                    set.insert(range);
                    model[numbers].fill(true);
                }
                1 => {
                    set.remove(&range);
                    model[numbers].fill(false);
                }
                _ => {
                    let mut missing = [false; 64];
                    for gap in set.gaps(range.clone()) {
                        let gap =
                            usize::try_from(gap.start).unwrap()..usize::try_from(gap.end).unwrap();
                        missing[gap].fill(true);
                    }
                    let has_one = model[numbers.clone()].iter().any(|is_in| *is_in);
                    assert_eq!(set.overlaps(&range), has_one);
                    for number in numbers {
                        assert_eq!(missing[number], !model[number]);
                    }
                }
            }
            let sorted = set.0.is_sorted_by(|a, b| a.end < b.start);
            assert!(
                sorted && set.0.iter().all(|range| !range.is_empty()),
                "{set:?}"
            );
        }
    }
}

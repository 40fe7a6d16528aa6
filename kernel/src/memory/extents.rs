//! Which addresses were ever used: what a linear memory really has, as it never shrinks.

use executor::sorted::SortedMap;

/// Ranges of addresses that do not touch each other, by start: their end.
#[derive(Clone, Debug, Default)]
pub(super) struct Extents(SortedMap<u32, u32>);

impl Extents {
    /// How many bytes of `[start, end)` are in no range.
    pub(super) fn missing(&self, start: u32, end: u32) -> u32 {
        let known = self.touching(start, end).map(|(known_start, known_end)| {
            let from = known_start.max(start);
            known_end.min(end).saturating_sub(from)
        });
        let known = known.fold(0, u32::saturating_add);
        end.saturating_sub(start).saturating_sub(known)
    }

    /// Adds `[start, end)`.
    pub(super) fn insert(&mut self, start: u32, end: u32) {
        let joined: Vec<(u32, u32)> = self.touching(start, end).collect();
        let (mut from, mut to) = (start, end);
        for (known_start, known_end) in joined {
            self.0.remove(&known_start);
            from = from.min(known_start);
            to = to.max(known_end);
        }
        if from < to {
            self.0.insert(from, to);
        }
    }

    /// All ranges, ascending.
    pub(super) fn ranges(&self) -> impl Iterator<Item = std::ops::Range<u64>> {
        let ranges = self.0.iter();
        ranges.map(|(&start, &end)| u64::from(start)..u64::from(end))
    }

    /// The ranges that overlap `[start, end)` or end or begin at it.
    fn touching(&self, start: u32, end: u32) -> impl Iterator<Item = (u32, u32)> {
        let below = self.0.range(..start).next_back();
        let within = self.0.range(start..=end);
        below
            .into_iter()
            .chain(within)
            .map(|(&start, &end)| (start, end))
            .filter(move |&(_, known_end)| known_end >= start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_and_count_once() {
        let mut extents = Extents::default();
        assert_eq!(extents.missing(10, 20), 10);
        extents.insert(10, 20);
        extents.insert(30, 40);
        assert_eq!(extents.missing(0, 50), 30);
        assert_eq!(extents.missing(15, 35), 10);
        assert_eq!(extents.missing(20, 30), 10);
        extents.insert(20, 30);
        assert_eq!(extents.0.len(), 1);
        assert_eq!(extents.missing(10, 40), 0);
        extents.insert(5, 60);
        extents.insert(50, 55);
        assert_eq!((extents.missing(0, 100), extents.0.len()), (45, 1));
    }
}

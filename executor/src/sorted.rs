//! A map of sorted keys in one vector.
//!
//! The kernel has some thirty maps of different types. Each type of `BTreeMap` is five kilobytes of code,
//! and each of these a few hundred bytes (ADR 0024). Lookups are as fast; to insert or remove moves what is
//! behind, a memory copy. So it is for maps of hundreds of entries, or of thousands that come in the order
//! of their keys; what may be larger (pages of a file, names of a directory) stays a `BTreeMap`.

use std::fmt;
use std::ops::{Bound, RangeBounds};

/// A map from `K` to `V` whose entries lie in the order of their keys.
///
/// Methods are those of `BTreeMap`, as far as there are users.
#[derive(Clone, PartialEq, Eq)]
pub struct SortedMap<K, V>(Vec<(K, V)>);

/// What a [`SortedMap`] iterates over.
type Pair<'a, K, V> = (&'a K, &'a V);

impl<K, V> SortedMap<K, V> {
    /// An empty map.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// How many entries there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets all entries.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The entries, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Pair<'_, K, V>> + Clone {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// The same, to change values.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (&K, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (&*key, value))
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + Clone {
        self.0.iter().map(|(key, _)| key)
    }

    /// The values, in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + Clone {
        self.0.iter().map(|(_, value)| value)
    }

    /// The same, to change them.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// The values, without their map.
    pub fn into_values(self) -> impl DoubleEndedIterator<Item = V> {
        self.0.into_iter().map(|(_, value)| value)
    }

    /// The entry with the smallest key.
    pub fn first_key_value(&self) -> Option<Pair<'_, K, V>> {
        self.iter().next()
    }

    /// The entry with the largest key.
    pub fn last_key_value(&self) -> Option<Pair<'_, K, V>> {
        self.iter().next_back()
    }

    /// Takes the entry with the smallest key out.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        (!self.0.is_empty()).then(|| self.0.remove(0))
    }

    /// Takes the entry with the largest key out.
    pub fn pop_last(&mut self) -> Option<(K, V)> {
        self.0.pop()
    }

    /// Keeps the entries for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.0.retain_mut(|(key, value)| keep(key, value));
    }
}

impl<K: Ord, V> SortedMap<K, V> {
    /// Where `key` is, or where it belongs.
    fn find(&self, key: &K) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.cmp(key))
    }

    /// The value of `key`.
    pub fn get(&self, key: &K) -> Option<&V> {
        let at = self.find(key).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let at = self.find(key).ok()?;
        self.0.get_mut(at).map(|(_, value)| value)
    }

    /// Whether `key` has a value.
    pub fn contains_key(&self, key: &K) -> bool {
        self.find(key).is_ok()
    }

    /// Gives `key` a value; the one that it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok(at) => self
                .0
                .get_mut(at)
                .map(|(_, old)| std::mem::replace(old, value)),
            Err(at) => {
                self.0.insert(at, (key, value));
                None
            }
        }
    }

    /// The value of `key`, which is given one by `make` if it has none.
    #[expect(
        clippy::indexing_slicing,
        reason = "the place is where the key was put"
    )]
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let at = match self.find(&key) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, (key, make()));
                at
            }
        };
        &mut self.0[at].1
    }

    /// Takes the value of `key` out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let at = self.find(key).ok()?;
        Some(self.0.remove(at).1)
    }

    /// Where the keys of `range` are.
    fn places(&self, range: impl RangeBounds<K>) -> std::ops::Range<usize> {
        let before = |key: &K| self.0.partition_point(|(other, _)| other < key);
        let up_to = |key: &K| self.0.partition_point(|(other, _)| other <= key);
        let start = match range.start_bound() {
            Bound::Included(key) => before(key),
            Bound::Excluded(key) => up_to(key),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(key) => up_to(key),
            Bound::Excluded(key) => before(key),
            Bound::Unbounded => self.0.len(),
        };
        start..end.max(start)
    }

    /// The entries with keys in `range`, in order.
    pub fn range(
        &self,
        range: impl RangeBounds<K>,
    ) -> impl DoubleEndedIterator<Item = Pair<'_, K, V>> + Clone {
        let found = self.0.get(self.places(range)).unwrap_or_default();
        found.iter().map(|(key, value)| (key, value))
    }

    /// The same, to change values.
    pub fn range_mut(
        &mut self,
        range: impl RangeBounds<K>,
    ) -> impl DoubleEndedIterator<Item = (&K, &mut V)> {
        let places = self.places(range);
        let found = self.0.get_mut(places).unwrap_or_default();
        found.iter_mut().map(|(key, value)| (&*key, value))
    }

    /// Takes the entries from `key` on out.
    pub fn split_off(&mut self, key: &K) -> Self {
        let at = self.0.partition_point(|(other, _)| other < key);
        Self(self.0.split_off(at))
    }
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SortedMap<K, V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Ord, V> Extend<(K, V)> for SortedMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for SortedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

impl<K, V> IntoIterator for SortedMap<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Numbers that look like chance (xorshift64*), below `bound`.
    fn random(state: &mut u64, bound: u32) -> u32 {
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        let high = state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40;
        let below = high.checked_rem(u64::from(bound)).unwrap();
        u32::try_from(below).unwrap()
    }

    #[test]
    fn it_behaves_as_a_tree_does() {
        let mut state = 0x9e37_79b9_7f4a_7c15;
        let mut map = SortedMap::new();
        let mut model = BTreeMap::new();
        for step in 0..20_000_u32 {
            let key = random(&mut state, 40);
            let other = key.saturating_add(random(&mut state, 20));
            match random(&mut state, 10) {
                0..=2 => assert_eq!(map.insert(key, step), model.insert(key, step)),
                3 | 4 => assert_eq!(map.remove(&key), model.remove(&key)),
                5 => {
                    let (ours, theirs) = (map.get_or_insert_with(key, || step), model.entry(key));
                    assert_eq!(ours, theirs.or_insert(step));
                }
                6 => {
                    map.range_mut(key..other).for_each(|(_, value)| *value ^= 1);
                    model
                        .range_mut(key..other)
                        .for_each(|(_, value)| *value ^= 1);
                }
                7 if step % 8 == 0 => assert_eq!(map.pop_first(), model.pop_first()),
                8 if step % 8 == 0 => assert_eq!(map.pop_last(), model.pop_last()),
                9 if step % 64 == 0 => {
                    assert!(map.split_off(&key).into_iter().eq(model.split_off(&key)));
                }
                _ => {
                    assert_eq!(map.get(&key), model.get(&key));
                    assert_eq!(map.contains_key(&key), model.contains_key(&key));
                }
            }
            assert!(map.iter().eq(&model), "step {step}");
            assert!(map.range(key..other).eq(model.range(key..other)));
            assert!(map.range(..=key).eq(model.range(..=key)));
            let behind = (Bound::Excluded(key), Bound::Unbounded);
            assert!(map.range(behind).rev().eq(model.range(behind).rev()));
            assert_eq!(map.first_key_value(), model.first_key_value());
            assert_eq!(map.last_key_value(), model.last_key_value());
            assert_eq!(map.len(), model.len());
        }
        map.retain(|key, _| key % 2 == 0);
        model.retain(|key, _| key % 2 == 0);
        assert!(map.keys().eq(model.keys()) && map.values().eq(model.values()));
    }
}

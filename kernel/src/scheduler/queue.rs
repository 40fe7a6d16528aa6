//! [`ReadyQueue`]: who waits for a turn on one Worker, by virtual time.

use executor::sorted::SortedMap;

/// A place in the queue; equal times leave in the order in which they came.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Key {
    virtual_ns: u64,
    seq: u64,
}

/// Items ordered by virtual time.
#[derive(Debug)]
pub(super) struct ReadyQueue<T> {
    items: SortedMap<Key, T>,
    next_seq: u64,
}

impl<T> Default for ReadyQueue<T> {
    fn default() -> Self {
        Self {
            items: SortedMap::new(),
            next_seq: 0,
        }
    }
}

impl<T> ReadyQueue<T> {
    /// Adds `item` behind those of the same time.
    pub(super) fn push(&mut self, virtual_ns: u64, item: T) {
        let seq = self.next_seq;
        self.next_seq = seq.wrapping_add(1);
        self.items.insert(Key { virtual_ns, seq }, item);
    }

    /// Adds `item` behind all, but not before `virtual_ns`.
    pub(super) fn push_last(&mut self, virtual_ns: u64, item: T) {
        let last_ns = self.items.last_key_value().map(|(key, _)| key.virtual_ns);
        self.push(virtual_ns.max(last_ns.unwrap_or(0)), item);
    }

    /// Takes the item with the least time.
    pub(super) fn pop(&mut self) -> Option<(u64, T)> {
        let (key, item) = self.items.pop_first()?;
        Some((key.virtual_ns, item))
    }

    /// The item with the least time, and that time.
    pub(super) fn first(&self) -> Option<(u64, &T)> {
        let (key, item) = self.items.first_key_value()?;
        Some((key.virtual_ns, item))
    }

    /// Takes out the first item that `is_wanted`.
    pub(super) fn take(&mut self, is_wanted: impl Fn(&T) -> bool) -> Option<T> {
        let (&key, _) = self.items.iter().find(|(_, item)| is_wanted(item))?;
        self.items.remove(&key)
    }

    /// All items in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.values()
    }

    /// How many items there are.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(queue: &mut ReadyQueue<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.pop().map(|(_, item)| item)).collect()
    }

    #[test]
    fn least_time_goes_first_and_equals_go_in_turn() {
        let mut queue = ReadyQueue::default();
        queue.push(20, "late");
        queue.push(10, "first");
        queue.push(10, "second");
        queue.push(0, "early");
        assert_eq!(queue.len(), 4);
        assert_eq!(queue.first(), Some((0, &"early")));
        assert_eq!(drain(&mut queue), ["early", "first", "second", "late"]);
        assert!(queue.is_empty());
    }

    #[test]
    fn last_is_behind_all_whatever_its_time() {
        let mut queue = ReadyQueue::default();
        queue.push_last(5, "only");
        queue.push(50, "other");
        queue.push_last(7, "yields");
        assert_eq!(drain(&mut queue), ["only", "other", "yields"]);
    }

    #[test]
    fn taken_item_leaves_the_others_in_order() {
        let mut queue = ReadyQueue::default();
        for (at, item) in [(1, "a"), (2, "b"), (3, "c")] {
            queue.push(at, item);
        }
        assert_eq!(queue.take(|item| *item == "b"), Some("b"));
        assert_eq!(queue.take(|item| *item == "b"), None);
        assert_eq!(drain(&mut queue), ["a", "c"]);
    }
}

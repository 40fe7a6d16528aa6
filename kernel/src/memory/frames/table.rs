//! Which frames a Worker has and who is in them: the policy, without memories.

use executor::sorted::SortedMap;

use super::FrameId;
use crate::platform::Slot;

/// A frame and its guests.
#[derive(Debug, Default)]
struct Frame {
    /// Whether other Workers can have its memory too.
    is_shared: bool,
    nr_occupants: usize,
    resident: Option<Slot>,
    /// The most bytes that any guest has used of it: what it costs the host.
    used_bytes: u64,
}

/// What a frame cannot be given up for.
pub(super) type Urgency = (bool, u64);

/// The frames of one Worker.
#[derive(Debug, Default)]
pub(super) struct Table {
    frames: SortedMap<FrameId, Frame>,
    /// Frames without occupants, the shared ones apart; the one that was used last is last.
    idle: Vec<FrameId>,
    idle_shared: Vec<FrameId>,
}

impl Table {
    /// A new frame, idle.
    pub(super) fn add(&mut self, id: FrameId, is_shared: bool) {
        let frame = Frame {
            is_shared,
            ..Frame::default()
        };
        self.frames.insert(id, frame);
        self.idle_of(is_shared).push(id);
    }

    const fn idle_of(&mut self, is_shared: bool) -> &mut Vec<FrameId> {
        if is_shared {
            &mut self.idle_shared
        } else {
            &mut self.idle
        }
    }

    /// It is idle no more.
    fn take_idle(&mut self, id: FrameId) {
        for idle in [&mut self.idle, &mut self.idle_shared] {
            idle.retain(|&idle| idle != id);
        }
    }

    /// Whether there is a frame of a kind.
    pub(super) fn has_kind(&self, is_shared: bool) -> bool {
        self.frames
            .values()
            .any(|frame| frame.is_shared == is_shared)
    }

    /// Whether a frame has one guest and no more.
    pub(super) fn has_one(&self, id: FrameId) -> bool {
        self.frames
            .get(&id)
            .is_some_and(|frame| frame.nr_occupants == 1)
    }

    /// The host has taken an idle frame back; the bytes that it cost.
    pub(super) fn remove(&mut self, id: FrameId) -> u64 {
        self.take_idle(id);
        self.frames.remove(&id).map_or(0, |frame| frame.used_bytes)
    }

    /// How many frames there are.
    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Frames of a kind without occupants.
    pub(super) fn idle(&self, is_shared: bool) -> &[FrameId] {
        if is_shared {
            &self.idle_shared
        } else {
            &self.idle
        }
    }

    /// How many frames have more than one occupant.
    pub(super) fn nr_shared(&self) -> usize {
        let frames = self.frames.values();
        frames.filter(|frame| frame.nr_occupants > 1).count()
    }

    /// Who is resident in a frame.
    pub(super) fn resident(&self, id: FrameId) -> Option<Slot> {
        self.frames.get(&id)?.resident
    }

    /// The frame of a kind that a guest is to share: one without a resident, else the one whose resident
    /// `urgency` says has been idle longest. A resident without an urgency stays.
    pub(super) fn to_share(
        &self,
        is_shared: bool,
        urgency: impl Fn(Slot) -> Option<Urgency>,
    ) -> Option<FrameId> {
        let of_kind = self.frames.iter();
        let of_kind = of_kind.filter(|(_, frame)| frame.is_shared == is_shared);
        let candidates = of_kind.filter_map(|(&id, frame)| {
            let cost = match frame.resident {
                None => None,
                Some(slot) => Some(urgency(slot)?),
            };
            Some((cost, frame.nr_occupants, id))
        });
        candidates.min().map(|(_, _, id)| id)
    }

    /// One more guest belongs to the frame.
    pub(super) fn occupy(&mut self, id: FrameId) {
        self.take_idle(id);
        if let Some(frame) = self.frames.get_mut(&id) {
            frame.nr_occupants = frame.nr_occupants.saturating_add(1);
        }
    }

    /// A guest that is not resident belongs to the frame no more; whether the frame is idle now.
    pub(super) fn leave(&mut self, id: FrameId) -> bool {
        let Some(frame) = self.frames.get_mut(&id) else {
            return false;
        };
        frame.nr_occupants = frame.nr_occupants.saturating_sub(1);
        let is_idle = frame.nr_occupants == 0;
        if is_idle {
            let is_shared = frame.is_shared;
            self.idle_of(is_shared).push(id);
        }
        is_idle
    }

    /// Makes an occupant resident, or nobody.
    pub(super) fn set_resident(&mut self, id: FrameId, resident: Option<Slot>) {
        if let Some(frame) = self.frames.get_mut(&id) {
            frame.resident = resident;
        }
    }

    /// A guest has used `bytes` of a frame; the most that any has.
    pub(super) fn note_used(&mut self, id: FrameId, bytes: u64) -> u64 {
        let Some(frame) = self.frames.get_mut(&id) else {
            return 0;
        };
        frame.used_bytes = frame.used_bytes.max(bytes);
        frame.used_bytes
    }

    /// Bytes that a frame costs the host.
    pub(super) fn used_bytes(&self, id: FrameId) -> u64 {
        self.frames.get(&id).map_or(0, |frame| frame.used_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(count: u32) -> Table {
        let mut table = Table::default();
        (1..=count).for_each(|id| table.add(FrameId(id), false));
        table
    }

    /// Seats guest `slot` in frame `id`.
    fn seat(table: &mut Table, id: u32, slot: u32) {
        table.occupy(FrameId(id));
        table.set_resident(FrameId(id), Some(Slot(slot)));
    }

    #[test]
    fn the_guest_that_is_idle_longest_makes_room() {
        let mut table = table(3);
        for id in 1..=3 {
            seat(&mut table, id, id);
        }
        assert!(table.idle(false).is_empty());
        let last_ran = |Slot(slot)| Some((false, if slot == 2 { 10 } else { 20 }));
        assert_eq!(table.to_share(false, last_ran), Some(FrameId(2)));
    }

    #[test]
    fn one_that_is_about_to_run_stays_and_one_that_runs_cannot_go() {
        let mut table = table(2);
        seat(&mut table, 1, 1);
        seat(&mut table, 2, 2);
        let urgency = |Slot(slot)| Some((slot == 1, u64::from(slot)));
        assert_eq!(table.to_share(false, urgency), Some(FrameId(2)));
        let first_runs = |Slot(slot)| (slot != 1).then_some((true, 9));
        assert_eq!(table.to_share(false, first_runs), Some(FrameId(2)));
        assert_eq!(table.to_share(false, |_| None), None);
    }

    #[test]
    fn a_frame_without_a_resident_costs_nobody_anything() {
        let mut table = table(3);
        for id in 1..=3 {
            seat(&mut table, id, id);
        }
        seat(&mut table, 2, 4);
        table.set_resident(FrameId(2), None);
        assert_eq!(
            table.to_share(false, |_| Some((false, 0))),
            Some(FrameId(2))
        );
        // The one with the fewest guests, if there are several.
        table.set_resident(FrameId(3), None);
        assert_eq!(
            table.to_share(false, |_| Some((false, 0))),
            Some(FrameId(3))
        );
        assert_eq!(table.nr_shared(), 1);
    }

    #[test]
    fn the_last_to_leave_makes_a_frame_idle() {
        let mut table = table(1);
        seat(&mut table, 1, 1);
        seat(&mut table, 1, 2);
        table.set_resident(FrameId(1), None);
        assert!(!table.leave(FrameId(1)));
        assert!(table.leave(FrameId(1)));
        assert_eq!(table.idle(false), [FrameId(1)]);
        assert_eq!(table.note_used(FrameId(1), 100), 100);
        assert_eq!(table.note_used(FrameId(1), 50), 100);
        assert_eq!((table.remove(FrameId(1)), table.len()), (100, 0));
    }
}

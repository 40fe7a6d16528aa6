//! [`Planner`]: what to ask a server for, and when.
//!
//! ```text
//!  miss ──> demand ─┐                    ┌─> Take ──> have
//!  hot list,        ├─> next ─> flying ──┼─> Again ─> delayed ─> next
//!  read-ahead ─> ahead                   └─> Failed: whoever waits gets EIO; a later miss begins anew
//! ```
//! A byte is in one of these at most, so that no byte is asked for twice. Times are nanoseconds of
//! any clock that does not go back.

use core::ops::Range;
use std::collections::VecDeque;

use crate::answer::{Answer, Failure, Verdict, judge};
use crate::hot::HotList;
use crate::ranges::RangeSet;

/// How to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannerOptions {
    /// Requests begin and end at multiples of this many bytes, a power of two.
    pub align_bytes: u64,
    /// The same for what a list says will be wanted: nobody has to guess what is near it.
    pub hot_align_bytes: u64,
    /// The most bytes of a request.
    pub max_request_bytes: u64,
    /// Ranges that are no further apart than this become one request.
    pub max_gap_bytes: u64,
    /// The most requests at a time; one of them is kept for misses.
    pub max_flying: usize,
    /// The most bytes read ahead of a sequential reader.
    pub max_ahead_bytes: u64,
    /// How often a range is asked for until it has failed.
    pub max_tries: u32,
    /// The first pause after a failure; it doubles with each further one.
    pub first_pause_ns: u64,
    /// The longest pause, except where the server asks for a longer one.
    pub max_pause_ns: u64,
    /// A request that gets no bytes for so long is to be aborted.
    pub stall_ns: u64,
}

impl Default for PlannerOptions {
    fn default() -> Self {
        Self {
            align_bytes: 128 << 10,
            hot_align_bytes: 16 << 10,
            max_request_bytes: 2 << 20,
            max_gap_bytes: 128 << 10,
            max_flying: 6,
            max_ahead_bytes: 512 << 10,
            max_tries: 6,
            first_pause_ns: 250_000_000,
            max_pause_ns: 8_000_000_000,
            stall_ns: 15_000_000_000,
        }
    }
}

/// Names a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What to send: `Range: bytes=start-(end-1)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its name, for [`Planner::settle`].
    pub id: RequestId,
    /// The bytes.
    pub range: Range<u64>,
    /// What to send as `If-Range`: a strong tag. With a weak one, answers are compared.
    pub if_range: Option<String>,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// These bytes are there: the first of the body. What else was asked for is asked for again.
    Take(Range<u64>),
    /// It is tried again at this time.
    Again(Failure, u64),
    /// It has failed for good: whoever waits for these bytes gets `EIO`. Nothing else is lost.
    Failed(Failure, Range<u64>),
    /// The image has changed, or cannot be had in ranges: nothing more is asked for.
    Over(Failure),
    /// There is no such request: it was settled before.
    Unknown,
}

/// A range that was asked for at least once.
#[derive(Clone, Debug)]
struct Flight {
    id: RequestId,
    range: Range<u64>,
    /// Tries before this one.
    nr_failed: u32,
    /// When it stalls; or, of a delayed one, when it goes again.
    at_ns: u64,
}

/// A reader that goes forward.
#[derive(Clone, Copy, Debug)]
struct Stream {
    /// Where its last miss began.
    last: u64,
    /// Where its next miss is expected.
    next: u64,
    window: u64,
}

/// Readers that are followed at a time.
const MAX_STREAMS: usize = 8;

/// Decides what to ask a server for. It asks for nothing itself.
#[derive(Debug)]
pub struct Planner {
    total: u64,
    etag: Option<String>,
    options: PlannerOptions,
    demand: VecDeque<Range<u64>>,
    ahead: VecDeque<Range<u64>>,
    /// What is in `demand`, `ahead`, `flying` or `delayed`.
    asked: RangeSet,
    have: RangeSet,
    flying: Vec<Flight>,
    delayed: Vec<Flight>,
    streams: VecDeque<Stream>,
    last_id: u64,
    over: Option<Failure>,
}

impl Planner {
    /// A plan for an image of `total` bytes; the tag is that of its first answer.
    pub fn new(total: u64, etag: Option<String>, options: PlannerOptions) -> Self {
        Self {
            total,
            etag,
            options,
            demand: VecDeque::new(),
            ahead: VecDeque::new(),
            asked: RangeSet::default(),
            have: RangeSet::default(),
            flying: Vec::new(),
            delayed: Vec::new(),
            streams: VecDeque::new(),
            last_id: 0,
            over: None,
        }
    }

    /// Somebody waits for these bytes.
    ///
    /// # Errors
    /// Why there will never be any more bytes.
    pub fn miss(&mut self, range: Range<u64>) -> Result<(), Failure> {
        if let Some(failure) = self.over {
            return Err(failure);
        }
        // What somebody waits for is not there, whatever was believed.
        self.have.remove(&range);
        let range = self.aligned(range, self.options.align_bytes);
        self.promote(&range);
        for gap in self.unasked(range.clone()) {
            self.asked.insert(gap.clone());
            self.demand.push_back(gap);
        }
        self.follow(&range);
        Ok(())
    }

    /// These bytes will be wanted soon, in this order.
    pub fn prefetch(&mut self, hot: &HotList) {
        for (start, len) in hot.ranges() {
            let range = *start..start.saturating_add(*len);
            self.fetch_ahead(self.aligned(range, self.options.hot_align_bytes));
        }
    }

    /// These bytes are held no more; nobody waits for them.
    pub fn forget(&mut self, range: &Range<u64>) {
        self.have.remove(range);
    }

    /// The next request to send now, if any. Call until there is none.
    pub fn next(&mut self, now_ns: u64) -> Option<Request> {
        if self.over.is_some() || self.flying.len() >= self.options.max_flying {
            return None;
        }
        if let Some(at) = self
            .delayed
            .iter()
            .position(|flight| flight.at_ns <= now_ns)
        {
            let flight = self.delayed.swap_remove(at);
            return Some(self.send(flight.range, flight.nr_failed, now_ns));
        }
        let spare = self.options.max_flying.saturating_sub(1).max(1);
        let first = match self.demand.pop_front() {
            Some(first) => first,
            None if self.flying.len() < spare => self.ahead.pop_front()?,
            None => return None,
        };
        let range = self.grown(first);
        Some(self.send(range, 0, now_ns))
    }

    /// When to call [`Self::next`] and [`Self::stalled`] again if nothing else happens.
    pub fn wake_ns(&self) -> Option<u64> {
        let flights = self.flying.iter().chain(&self.delayed);
        flights.map(|flight| flight.at_ns).min()
    }

    /// Bytes of this request arrive.
    pub fn progress(&mut self, id: RequestId, now_ns: u64) {
        let stall_ns = self.options.stall_ns;
        if let Some(flight) = self.flying.iter_mut().find(|flight| flight.id == id) {
            flight.at_ns = now_ns.saturating_add(stall_ns);
        }
    }

    /// The requests to abort, each to be settled with [`Answer::Stalled`].
    pub fn stalled(&self, now_ns: u64) -> Vec<RequestId> {
        let late = self.flying.iter().filter(|flight| flight.at_ns <= now_ns);
        late.map(|flight| flight.id).collect()
    }

    /// What an answer means.
    pub fn settle(&mut self, id: RequestId, answer: &Answer, now_ns: u64) -> Settled {
        let Some(at) = self.flying.iter().position(|flight| flight.id == id) else {
            return Settled::Unknown;
        };
        let flight = self.flying.swap_remove(at);
        match judge(&flight.range, self.total, self.etag.as_deref(), answer) {
            Verdict::Take(len) => {
                if let Answer::Response {
                    etag: Some(etag), ..
                } = answer
                {
                    self.etag.get_or_insert_with(|| etag.clone());
                }
                let taken = flight.range.start..flight.range.start.saturating_add(len);
                let rest = taken.end..flight.range.end;
                self.asked.remove(&taken);
                self.have.insert(taken.clone());
                if !rest.is_empty() {
                    self.demand.push_front(rest);
                }
                Settled::Take(taken)
            }
            Verdict::Again(failure, wait_s) => self.again(flight, failure, wait_s, now_ns),
            Verdict::Never(failure @ (Failure::Changed | Failure::NoRanges)) => {
                self.over = Some(failure);
                Settled::Over(failure)
            }
            Verdict::Never(failure) => self.failed(flight, failure),
        }
    }

    fn again(
        &mut self,
        flight: Flight,
        failure: Failure,
        wait_s: Option<u32>,
        now_ns: u64,
    ) -> Settled {
        let nr_failed = flight.nr_failed.saturating_add(1);
        if nr_failed >= self.options.max_tries {
            return self.failed(flight, failure);
        }
        let factor = 1_u64.checked_shl(flight.nr_failed).unwrap_or(u64::MAX);
        let pause = self.options.first_pause_ns.saturating_mul(factor);
        let pause = pause.min(self.options.max_pause_ns);
        // Requests that failed together do not all come back together.
        let spread = (flight.id.0 % 8).saturating_mul(pause / 32);
        let asked = u64::from(wait_s.unwrap_or(0)).saturating_mul(1_000_000_000);
        let at_ns = now_ns
            .saturating_add(pause.max(asked))
            .saturating_add(spread);
        self.delayed.push(Flight {
            nr_failed,
            at_ns,
            ..flight
        });
        Settled::Again(failure, at_ns)
    }

    fn failed(&mut self, flight: Flight, failure: Failure) -> Settled {
        self.asked.remove(&flight.range);
        Settled::Failed(failure, flight.range)
    }

    fn send(&mut self, range: Range<u64>, nr_failed: u32, now_ns: u64) -> Request {
        self.last_id = self.last_id.saturating_add(1);
        let id = RequestId(self.last_id);
        self.flying.push(Flight {
            id,
            range: range.clone(),
            nr_failed,
            at_ns: now_ns.saturating_add(self.options.stall_ns),
        });
        let strong = self.etag.clone().filter(|etag| !etag.starts_with("W/"));
        Request {
            id,
            range,
            if_range: strong,
        }
    }

    fn aligned(&self, range: Range<u64>, align: u64) -> Range<u64> {
        let align = align.max(1);
        let within = range.start.checked_rem(align).unwrap_or(0);
        let start = range.start.saturating_sub(within);
        let end = range
            .end
            .checked_next_multiple_of(align)
            .unwrap_or(u64::MAX);
        start.min(self.total)..end.min(self.total)
    }

    /// The parts of `range` that nobody has asked for.
    fn unasked(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let gaps = self.asked.gaps(range).into_iter();
        gaps.flat_map(|gap| self.have.gaps(gap)).collect()
    }

    fn fetch_ahead(&mut self, range: Range<u64>) {
        for gap in self.unasked(range) {
            self.asked.insert(gap.clone());
            self.ahead.push_back(gap);
        }
    }

    /// What was to be read ahead and is now waited for goes first.
    fn promote(&mut self, range: &Range<u64>) {
        let is_wanted = |known: &Range<u64>| known.start < range.end && range.start < known.end;
        let (wanted, rest): (VecDeque<_>, VecDeque<_>) = self.ahead.drain(..).partition(is_wanted);
        self.ahead = rest;
        self.demand.extend(wanted);
    }

    /// Reads ahead of readers that go forward, twice as far with each miss.
    fn follow(&mut self, range: &Range<u64>) {
        // The first miss of what was read ahead counts too: it comes before all of it is there.
        let is_next = |stream: &Stream| {
            let reach = range.end.saturating_add(stream.window);
            (range.start..=reach).contains(&stream.next) && stream.last < range.start
        };
        if self.streams.iter().any(|stream| stream.last == range.start) {
            return;
        }
        let known = self.streams.iter().position(is_next);
        let stream = known.and_then(|at| self.streams.remove(at));
        let window = stream.map_or(0, |stream| {
            let doubled = stream.window.saturating_mul(2);
            let window = doubled.max(self.options.align_bytes);
            window.min(self.options.max_ahead_bytes)
        });
        let next = range.end.saturating_add(window);
        if window > 0 {
            self.fetch_ahead(self.aligned(range.end..next, self.options.align_bytes));
        }
        self.streams.push_back(Stream {
            last: range.start,
            next,
            window,
        });
        if self.streams.len() > MAX_STREAMS {
            self.streams.pop_front();
        }
    }

    /// Takes everything that is asked for and near `first` into the same request.
    fn grown(&mut self, first: Range<u64>) -> Range<u64> {
        let max = self.options.max_request_bytes.max(self.options.align_bytes);
        let mut range = first;
        if range.end.saturating_sub(range.start) > max {
            let rest = range.start.saturating_add(max)..range.end;
            range.end = rest.start;
            self.demand.push_front(rest);
            return range;
        }
        loop {
            let near = |known: &Range<u64>| self.union(&range, known, max);
            let found = [&self.demand, &self.ahead]
                .into_iter()
                .enumerate()
                .find_map(|(queue, known)| {
                    let at = known.iter().position(|known| near(known).is_some())?;
                    Some((queue, at, near(known.get(at)?)?))
                });
            let Some((queue, at, union)) = found else {
                return range;
            };
            match queue {
                0 => self.demand.remove(at),
                _ => self.ahead.remove(at),
            };
            self.asked.insert(union.clone());
            range = union;
        }
    }

    /// Both ranges and what is between them, if that may be one request.
    fn union(&self, a: &Range<u64>, b: &Range<u64>, max: u64) -> Option<Range<u64>> {
        let union = a.start.min(b.start)..a.end.max(b.end);
        let gap = a.end.min(b.end)..a.start.max(b.start);
        let gap_len = gap.end.saturating_sub(gap.start);
        let is_free = gap_len == 0 || !self.asked.overlaps(&gap) && !self.have.overlaps(&gap);
        let len = union.end.saturating_sub(union.start);
        (len <= max && gap_len <= self.options.max_gap_bytes && is_free).then_some(union)
    }
}

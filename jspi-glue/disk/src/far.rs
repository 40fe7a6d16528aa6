//! [`Far`]: which requests to send to a server, and what their answers are.
//!
//! The planner of `fs-image` decides. It thinks of byte ranges; a chunk is one, of the image, that is asked for by
//! its name and judged by its hash.

use core::ops::Range;

use fs_block::BlockDevice;
use fs_image::{
    Answer, ChunkError, Failure, HotList, Planner, PlannerOptions, Request, RequestId, Settled,
};

use crate::base::{Base, Source};
use crate::status::Status;

/// What the host is to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Its name, for the answer.
    pub id: RequestId,
    /// Which bytes of the image.
    pub range: Range<u64>,
    /// A chunk's file, relative to the manifest; a range of the image itself otherwise.
    pub path: Option<String>,
    /// What to send as `If-Range`.
    pub if_range: Option<String>,
}

/// What an answer was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// These bytes are at this place, and can be read.
    Arrived(u64, Vec<u8>),
    /// It is tried again later, or was answered before.
    Nothing,
    /// There will not be any, for now or for ever: why, for people. Whoever waits is to ask once more.
    Failed(String),
}

/// A read or change that cannot go on.
#[derive(Debug)]
struct Wait {
    sequence: u64,
    missing: Vec<Range<u64>>,
    has_failed: bool,
}

/// An image that is far away.
#[derive(Debug)]
pub struct Far {
    base: Base,
    planner: Planner,
    flying: Vec<(RequestId, Range<u64>)>,
    waits: Vec<Wait>,
}

impl Far {
    /// For an image that is read by ranges, whose first answer had this `ETag`.
    pub fn ranges(base: Base, etag: Option<String>) -> Self {
        Self::new(base, etag, PlannerOptions::default())
    }

    /// For an image in chunks.
    pub fn chunks(base: Base) -> Self {
        let chunk = base.with(|source| match source {
            Source::Chunks(disk) => disk.manifest().chunk_bytes(),
            Source::Here(_) | Source::Ranges(_) => 1,
        });
        let options = PlannerOptions {
            align_bytes: chunk,
            hot_align_bytes: chunk,
            max_request_bytes: chunk,
            max_gap_bytes: 0,
            ..PlannerOptions::default()
        };
        Self::new(base, None, options)
    }

    fn new(base: Base, etag: Option<String>, options: PlannerOptions) -> Self {
        Self {
            planner: Planner::new(base.len_bytes(), etag, options),
            base,
            flying: Vec::new(),
            waits: Vec::new(),
        }
    }

    /// Request `sequence` waits for these bytes.
    ///
    /// # Errors
    /// `Io`: they have failed to come since it waits, or never will.
    pub fn wait(&mut self, sequence: u64, missing: Vec<Range<u64>>) -> Result<(), Status> {
        let known = self
            .waits
            .iter()
            .position(|wait| wait.sequence == sequence)
            .map(|at| self.waits.swap_remove(at));
        if known.is_some_and(|wait| wait.has_failed) {
            return Err(Status::Io);
        }
        for range in &missing {
            self.planner.miss(range.clone()).map_err(|_| Status::Io)?;
        }
        self.waits.push(Wait {
            sequence,
            missing,
            has_failed: false,
        });
        Ok(())
    }

    /// Request `sequence` waits no more.
    pub fn end_wait(&mut self, sequence: u64) {
        self.waits.retain(|wait| wait.sequence != sequence);
    }

    /// These bytes will be wanted soon.
    pub fn prefetch(&mut self, hot: &HotList) {
        self.planner.prefetch(hot);
    }

    /// What the manifest says is read first.
    pub fn hot_chunks(&self) -> Vec<Range<u64>> {
        self.base.with(|source| {
            let Source::Chunks(disk) = source else {
                return Vec::new();
            };
            let size = disk.manifest().chunk_bytes();
            let starts = disk.manifest().hot().iter();
            starts
                .map(|chunk| u64::from(chunk.0).saturating_mul(size))
                .map(|start| start..start.saturating_add(size))
                .collect()
        })
    }

    /// The next request to send now, if any. Call until there is none.
    pub fn next(&mut self, now_ns: u64) -> Option<Fetch> {
        loop {
            let Request {
                id,
                range,
                if_range,
            } = self.planner.next(now_ns)?;
            let path = self.base.with(|source| match source {
                Source::Here(_) | Source::Ranges(_) => Some(None),
                Source::Chunks(disk) => disk.wanted(range.start).map(|(_, name)| Some(name.path())),
            });
            let Some(path) = path else {
                // Zeros, or read again since: there is nothing to fetch.
                self.planner.settle(id, &whole(&range), now_ns);
                continue;
            };
            self.flying.push((id, range.clone()));
            return Some(Fetch {
                id,
                range,
                path,
                if_range,
            });
        }
    }

    /// Takes an answer, and what there is of its body.
    pub fn answer(&mut self, id: RequestId, answer: Answer, body: &[u8], now_ns: u64) -> Outcome {
        let Some(at) = self.flying.iter().position(|(known, _)| *known == id) else {
            return Outcome::Nothing;
        };
        let (_, range) = self.flying.swap_remove(at);
        let supplied = self.supply(&range, &answer, body);
        let answer = match &supplied {
            None => answer,
            Some(Ok(_)) => whole(&range),
            // Judged as what it is: other bytes.
            Some(Err(_)) => other(&range),
        };
        match self.planner.settle(id, &answer, now_ns) {
            Settled::Take(taken) => {
                let bytes = match supplied {
                    Some(Ok(contents)) => contents,
                    _ => self.keep(&taken, body),
                };
                Outcome::Arrived(taken.start, bytes)
            }
            Settled::Again(..) | Settled::Unknown => Outcome::Nothing,
            Settled::Failed(failure, range) => {
                self.fail(|wait| {
                    let missing = wait.missing.iter();
                    missing
                        .into_iter()
                        .any(|missing| missing.start < range.end && range.start < missing.end)
                });
                Outcome::Failed(self.describe(failure, &range))
            }
            Settled::Over(failure) => {
                self.fail(|_| true);
                Outcome::Failed(failure.to_string())
            }
        }
    }

    /// Bytes of this request arrive.
    pub fn progress(&mut self, id: RequestId, now_ns: u64) {
        self.planner.progress(id, now_ns);
    }

    /// A request to abort, and to answer with [`Answer::Stalled`].
    pub fn stalled(&self, now_ns: u64) -> Option<RequestId> {
        self.planner.stalled(now_ns).first().copied()
    }

    /// When to ask for requests again if nothing else happens.
    pub fn wake_ns(&self) -> Option<u64> {
        self.planner.wake_ns()
    }

    /// Puts a chunk's contents where they are read; `None` when no chunk was answered.
    fn supply(
        &self,
        range: &Range<u64>,
        answer: &Answer,
        body: &[u8],
    ) -> Option<Result<Vec<u8>, ChunkError>> {
        let Answer::Response { status: 200, .. } = answer else {
            return None;
        };
        self.base.with(|source| match source {
            Source::Here(_) | Source::Ranges(_) => None,
            Source::Chunks(disk) => {
                let chunk = disk.manifest().chunk_at(range.start);
                Some(disk.supply(chunk, body).map(<[u8]>::to_vec))
            }
        })
    }

    /// Puts the bytes of a range where they are read.
    fn keep(&mut self, taken: &Range<u64>, body: &[u8]) -> Vec<u8> {
        let len = usize::try_from(taken.end.saturating_sub(taken.start)).unwrap_or(usize::MAX);
        let bytes = body.get(..len).unwrap_or(body);
        let planner = &mut self.planner;
        self.base.with(|source| {
            if let Source::Ranges(fetched) = source {
                fetched.insert(taken.start, bytes, |range| planner.forget(range));
            }
        });
        bytes.to_vec()
    }

    fn fail(&mut self, is_hit: impl Fn(&Wait) -> bool) {
        for wait in &mut self.waits {
            wait.has_failed |= is_hit(wait);
        }
    }

    fn describe(&self, failure: Failure, range: &Range<u64>) -> String {
        let Range { start, end } = range;
        format!("bytes {start} to {end} of the image: {failure}")
    }
}

/// An answer that has all that was asked for.
fn whole(range: &Range<u64>) -> Answer {
    response(range.end.saturating_sub(range.start))
}

/// An answer that is of something else.
fn other(range: &Range<u64>) -> Answer {
    response(range.end.saturating_sub(range.start).saturating_add(1))
}

const fn response(body_len: u64) -> Answer {
    Answer::Response {
        status: 206,
        etag: None,
        content_range: None,
        body_len,
        retry_after_s: None,
    }
}

//! Reading a store back after anything: a clean close, a crash, decay, or malice.
//!
//! Every length is checked before memory is taken for it, and every record is read once. The scan
//! ends at the first record that is not whole or does not belong; what follows the last commit
//! before that never happened. Where a header proves that there was more, it is an error instead.

use core::fmt;

use crate::batch::{Batch, MAX_ROWS};
use crate::codec::{narrow, sectors, wide};
use crate::header::{Header, Identity, RECORDS_AT};
use crate::index::{Entry, Index};
use crate::log::Log;
use crate::record::{FIXED, Fixed, Kind, Link, rows};
use crate::store::{Store, StoreError};

/// Bytes of a sector, as a length.
const SECTOR_LEN: usize = 512;

/// Why an overlay cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The store failed, or wants to be asked again (`Pending`).
    Store(StoreError),
    /// The changes were made to another image: this one.
    BaseChanged(Identity),
    /// The store has a format of this later version.
    Version(u32),
    /// The store is damaged, where and how.
    Corrupt(&'static str),
    /// The block size is not a power of two from 512 to 65,536 bytes.
    BlockSize(u32),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::BaseChanged(found) => write!(
                f,
                "the saved changes belong to another image, of {} bytes",
                found.len_bytes()
            ),
            Self::Version(version) => write!(f, "saved by a later version (format {version})"),
            Self::Corrupt(what) => write!(f, "the saved changes are damaged: {what}"),
            Self::BlockSize(bytes) => write!(f, "no block size: {bytes}"),
        }
    }
}

impl core::error::Error for OpenError {}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What a store holds.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) log: Log,
    pub(crate) index: Index,
}

/// Reads a store; `None` when it has no header.
pub(crate) fn recover<S: Store>(
    store: &S,
    limit_bytes: u64,
) -> Result<Option<Recovered>, OpenError> {
    let (headers, newer) = Header::read(store)?;
    let Some(newest) = headers.first() else {
        return newer.map_or(Ok(None), |version| Err(OpenError::Version(version)));
    };
    let furthest = headers.iter().map(|header| header.checkpoint_at).max();
    let mut start = None;
    for header in &headers {
        if header.checkpoint_at != 0 && header.generation == newest.generation {
            start = load_checkpoint(store, header)?;
            if start.is_some() {
                break;
            }
        }
    }
    let start = start.unwrap_or_else(|| Start {
        at: RECORDS_AT,
        link: Link::first(newest.generation),
        index: Index::default(),
    });
    let checkpoint_end = start.at;
    let scanned = scan(store, newest, start)?;
    if scanned.at <= furthest.unwrap_or(0) {
        return Err(OpenError::Corrupt("a record before the last checkpoint"));
    }
    Ok(Some(Recovered {
        log: Log::new(
            newest.clone(),
            (scanned.at, scanned.link),
            checkpoint_end,
            limit_bytes,
        ),
        index: scanned.index,
    }))
}

/// Where a scan begins, or what it came to.
struct Start {
    at: u64,
    link: Link,
    index: Index,
}

/// Fills a buffer, if the store has all of it.
fn read<S: Store>(store: &S, at: u64, len: usize) -> Result<Option<Vec<u8>>, StoreError> {
    let is_inside = at
        .checked_add(wide(len))
        .is_some_and(|end| end <= store.len_bytes());
    if !is_inside {
        return Ok(None);
    }
    let mut bytes = vec![0; len];
    store.read_at(at, &mut bytes)?;
    Ok(Some(bytes))
}

const fn block_size(header: &Header) -> usize {
    1 << header.block_shift
}

fn nr_blocks(header: &Header) -> u64 {
    header
        .identity
        .len_bytes()
        .div_ceil(wide(block_size(header)))
}

/// The index that a header names, if it is whole.
fn load_checkpoint<S: Store>(store: &S, header: &Header) -> Result<Option<Start>, StoreError> {
    let at = header.checkpoint_at;
    let Some(head) = read(store, at, SECTOR_LEN)? else {
        return Ok(None);
    };
    let Some((fixed, crc)) = Fixed::decode(&head)
        .filter(|fixed| fixed.kind == Kind::Checkpoint)
        .filter(|fixed| fixed.link.generation == header.generation)
        .and_then(|fixed| Some((fixed, fixed.check(&head)?)))
    else {
        return Ok(None);
    };
    let payload_at = at.saturating_add(wide(SECTOR_LEN));
    let len = narrow(u64::from(fixed.count));
    let Some(mut payload) = read(store, payload_at, sectors(len))? else {
        return Ok(None);
    };
    payload.truncate(len);
    if crc32c::crc32c(&payload) != fixed.payload_crc {
        return Ok(None);
    }
    let index = Index::unpack(&payload, nr_blocks(header), at, wide(block_size(header)));
    Ok(index.map(|index| Start {
        at: payload_at.saturating_add(wide(sectors(len))),
        link: fixed.link.next(crc),
        index,
    }))
}

/// A record that belongs where it is: where it ends, and what it says.
struct Next {
    end: u64,
    crc: u32,
    entries: Vec<(u64, Entry)>,
    is_commit: bool,
}

/// Follows the records from `start` to the last commit.
fn scan<S: Store>(store: &S, header: &Header, start: Start) -> Result<Start, StoreError> {
    let (mut at, mut link) = (start.at, start.link);
    let mut committed = start;
    let mut staged: Vec<(u64, Entry)> = Vec::new();
    let mut is_staging = false;
    while let Some(next) = next_record(store, header, at, link)? {
        at = next.end;
        link = link.next(next.crc);
        staged.extend(next.entries);
        if next.is_commit {
            for (block, entry) in staged.drain(..) {
                committed.index.set(block, entry);
            }
            is_staging = false;
        } else {
            is_staging |= !staged.is_empty();
        }
        if !is_staging {
            committed.at = at;
            committed.link = link;
        }
    }
    Ok(committed)
}

/// The record at `at`, if it is whole and follows `link`.
fn next_record<S: Store>(
    store: &S,
    header: &Header,
    at: u64,
    link: Link,
) -> Result<Option<Next>, StoreError> {
    let Some(mut head) = read(store, at, SECTOR_LEN)? else {
        return Ok(None);
    };
    let Some(fixed) = Fixed::decode(&head).filter(|fixed| fixed.link == link) else {
        return Ok(None);
    };
    let count = narrow(u64::from(fixed.count));
    if fixed.kind == Kind::Batch && count > MAX_ROWS {
        return Ok(None);
    }
    if fixed.head_bytes() > SECTOR_LEN {
        match read(store, at, fixed.head_bytes())? {
            Some(whole) => head = whole,
            None => return Ok(None),
        }
    }
    let Some(crc) = fixed.check(&head) else {
        return Ok(None);
    };
    debug_assert!(head.len() >= FIXED, "a head has all its fields");
    let data_at = at.saturating_add(wide(head.len()));
    if fixed.kind == Kind::Checkpoint {
        let end = data_at.saturating_add(wide(sectors(count)));
        return Ok((end <= store.len_bytes()).then_some(Next {
            end,
            crc,
            entries: Vec::new(),
            is_commit: false,
        }));
    }
    read_batch(store, header, &head, fixed, data_at).map(|entries| {
        entries.map(|(entries, end)| Next {
            end,
            crc,
            entries,
            is_commit: fixed.is_commit,
        })
    })
}

type Blocks = (Vec<(u64, Entry)>, u64);

/// The blocks of a batch whose head was checked, if all of its data is right.
fn read_batch<S: Store>(
    store: &S,
    header: &Header,
    head: &[u8],
    fixed: Fixed,
    data_at: u64,
) -> Result<Option<Blocks>, StoreError> {
    let block_size = block_size(header);
    let nr_stored = rows(head, fixed.count).filter(|row| !row.is_zeros).count();
    if nr_stored > Batch::capacity(block_size) {
        return Ok(None);
    }
    let Some(data) = read(store, data_at, nr_stored.saturating_mul(block_size))? else {
        return Ok(None);
    };
    let mut blocks = data.chunks_exact(block_size);
    let mut place = data_at;
    let mut entries = Vec::with_capacity(nr_stored);
    for row in rows(head, fixed.count) {
        if row.block >= nr_blocks(header) {
            return Ok(None);
        }
        let entry = if row.is_zeros {
            Some(Entry::zeros(row.is_clean))
        } else {
            let is_right = blocks
                .next()
                .is_some_and(|block| crc32c::crc32c(block) == row.crc);
            let entry = Entry::stored(place, row.crc, row.is_clean);
            place = place.saturating_add(wide(block_size));
            entry.filter(|_| is_right)
        };
        match entry {
            Some(entry) => entries.push((row.block, entry)),
            None => return Ok(None),
        }
    }
    Ok(Some((entries, place)))
}

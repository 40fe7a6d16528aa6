//! What the host calls. Bytes and texts go through one buffer, numbers that are answered through a short list.
//!
//! Natively the names are those of symbols, so each begins with `disk_`. `sdk/src/disk/module.ts` is the other side.
//! Times are milliseconds of a clock that does not go back.

use std::cell::RefCell;

use fs_image::{Answer, ChunkedDisk, Manifest, RequestId};

use crate::base::{Base, Source};
use crate::disk::{Disk, Layout, Opening};
use crate::far::{Far, Outcome};
use crate::fetched::Fetched;
use crate::identity;
use crate::imports::{HostImage, HostStore, address_of, from_host, to_host};
use crate::status::Status;

/// Fetched bytes that are held in memory.
const CACHE_BYTES: usize = 32 << 20;

/// The store that an export goes to, and an import comes from.
const EXCHANGE: u32 = 2;

const LOG_STORES: [HostStore; 2] = [HostStore(0), HostStore(1)];

/// Numbers that are answered at most.
const NR_NUMBERS: usize = 4;

/// An image before the stores are opened.
struct Prepared {
    base: Base,
    far: Option<Far>,
    tag: Vec<u8>,
    /// Its first bytes, if they were fetched.
    head: Vec<u8>,
}

/// What the module holds.
struct Module {
    /// What goes in and comes out.
    buffer: Vec<u8>,
    /// The text of the last failure, or of a request.
    text: String,
    numbers: [f64; NR_NUMBERS],
    prepared: Option<Prepared>,
    opening: Option<Opening<HostStore>>,
    disk: Option<Disk<HostStore>>,
}

thread_local! {
    static MODULE: RefCell<Module> = const {
        RefCell::new(Module {
            buffer: Vec::new(),
            text: String::new(),
            numbers: [0.0; NR_NUMBERS],
            prepared: None,
            opening: None,
            disk: None,
        })
    };
}

impl Module {
    /// What is fetching, if something is.
    fn far(&mut self) -> Option<&mut Far> {
        match (&mut self.disk, &mut self.opening) {
            (Some(disk), _) => disk.far(),
            (None, Some(opening)) => opening.far(),
            (None, None) => None,
        }
    }

    fn failed(&mut self, (status, text): (Status, String)) -> Status {
        self.text = text;
        status
    }

    /// Takes `len` bytes off the front of the buffer.
    fn text_of(bytes: &mut &[u8], len: i32) -> Option<String> {
        let (text, rest) = bytes.split_at_checked(usize::try_from(len).ok()?)?;
        *bytes = rest;
        Some(String::from_utf8_lossy(text).into_owned())
    }
}

fn with<R>(work: impl FnOnce(&mut Module) -> R) -> R {
    MODULE.with_borrow_mut(work)
}

/// Works on the open disk, with the buffer.
fn on_disk(work: impl FnOnce(&mut Disk<HostStore>, &mut Vec<u8>) -> Result<(), Status>) -> u32 {
    let status = with(|module| {
        let Module { disk, buffer, .. } = module;
        match disk {
            Some(disk) => Status::of(work(disk, buffer)),
            None => Status::Invalid,
        }
    });
    status.number()
}

fn nanoseconds(now_ms: f64) -> u64 {
    from_host(now_ms * 1e6)
}

fn len(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// The buffer with room for `count` bytes: its address.
#[unsafe(no_mangle)]
pub extern "C" fn disk_buffer(count: u32) -> u32 {
    with(|module| {
        module.buffer.resize(len(count), 0);
        address_of(module.buffer.as_ptr())
    })
}

/// Where the text is.
#[unsafe(no_mangle)]
pub extern "C" fn disk_text() -> u32 {
    with(|module| address_of(module.text.as_ptr()))
}

/// How many bytes the text has.
#[unsafe(no_mangle)]
pub extern "C" fn disk_text_len() -> u32 {
    with(|module| u32::try_from(module.text.len()).unwrap_or(0))
}

/// Where the numbers are: doubles.
#[unsafe(no_mangle)]
pub extern "C" fn disk_numbers() -> u32 {
    with(|module| address_of(module.numbers.as_ptr()))
}

/// The image is the host's, of `length` bytes. `modified_ms`: when the file was changed, negative for bytes in memory.
/// `is_named`: whether it needs a tag, because its changes are kept.
#[unsafe(no_mangle)]
pub extern "C" fn disk_image_here(length: f64, modified_ms: f64, is_named: u32) -> u32 {
    let image = HostImage {
        len_bytes: from_host(length),
    };
    let modified = (modified_ms >= 0.0).then(|| from_host(modified_ms));
    let tag = match is_named {
        0 => Ok(Vec::new()),
        _ => identity::of_contents(&image, modified),
    };
    with(|module| match tag {
        Ok(tag) => {
            let base = Base::new(image.len_bytes, Source::Here(Box::new(image)));
            module.prepared = Some(Prepared {
                base,
                far: None,
                tag,
                head: Vec::new(),
            });
            Status::Ok
        }
        Err(error) => module.failed((error.into(), "the image cannot be read".to_owned())),
    })
    .number()
}

/// The image is read by ranges. The buffer has its name (the tag is its hash), its `ETag`, and its first bytes.
#[unsafe(no_mangle)]
pub extern "C" fn disk_image_ranges(length: f64, name_len: i32, etag_len: i32) -> u32 {
    with(|module| {
        let buffer = core::mem::take(&mut module.buffer);
        let mut rest = buffer.as_slice();
        let name = Module::text_of(&mut rest, name_len).unwrap_or_default();
        let etag = Module::text_of(&mut rest, etag_len);
        let tag = identity::of_text(name.as_bytes());
        let mut fetched = Fetched::new(CACHE_BYTES);
        fetched.insert(0, rest, |_| ());
        let base = Base::new(from_host(length), Source::Ranges(fetched));
        let far = Far::ranges(base.clone(), etag);
        module.prepared = Some(Prepared {
            base,
            far: Some(far),
            tag,
            head: rest.to_vec(),
        });
        Status::Ok
    })
    .number()
}

/// The image is in chunks. The buffer has its manifest.
#[unsafe(no_mangle)]
pub extern "C" fn disk_image_chunks() -> u32 {
    with(|module| {
        let buffer = core::mem::take(&mut module.buffer);
        let manifest = match Manifest::decode(&buffer) {
            Ok(manifest) => manifest,
            Err(error) => return module.failed((Status::Unsupported, error.to_string())),
        };
        let tag = manifest.identity().to_vec();
        let disk = ChunkedDisk::new(manifest, CACHE_BYTES);
        let base = Base::new(disk.manifest().len_bytes(), Source::Chunks(disk));
        let far = Far::chunks(base.clone());
        module.prepared = Some(Prepared {
            base,
            far: Some(far),
            tag,
            head: Vec::new(),
        });
        Status::Ok
    })
    .number()
}

/// Opens the disk; `Pending`: again when something has arrived. `limit`: negative for none.
#[unsafe(no_mangle)]
pub extern "C" fn disk_open(limit: f64, is_lasting: u32, now_ms: f64) -> u32 {
    with(|module| {
        if let Some(prepared) = module.prepared.take() {
            let Prepared {
                base,
                far,
                tag,
                head,
            } = prepared;
            let layout = Layout {
                stores: LOG_STORES,
                limit_bytes: (limit >= 0.0).then(|| from_host(limit)),
                is_lasting: is_lasting != 0,
            };
            let mut opening = Opening::new(base, far, tag, layout);
            opening.note_head(head);
            module.opening = Some(opening);
        }
        let Some(opening) = &mut module.opening else {
            return Status::Invalid;
        };
        match opening.open(nanoseconds(now_ms)) {
            Ok(disk) => {
                module.disk = Some(disk);
                module.opening = None;
                Status::Ok
            }
            Err(failure) => module.failed(failure),
        }
    })
    .number()
}

/// Bytes of the disk.
#[unsafe(no_mangle)]
pub extern "C" fn disk_length() -> f64 {
    with(|module| to_host(module.disk.as_ref().map_or(0, Disk::len_bytes)))
}

/// Reads `count` bytes into the buffer.
#[unsafe(no_mangle)]
pub extern "C" fn disk_read(sequence: f64, offset: f64, count: u32) -> u32 {
    on_disk(|disk, buffer| {
        let offset = from_host(offset);
        if !disk.has(offset, u64::from(count)) {
            return Err(Status::Invalid);
        }
        buffer.resize(len(count), 0);
        disk.read(from_host(sequence), offset, buffer)
    })
}

/// Makes the change in the buffer.
#[unsafe(no_mangle)]
pub extern "C" fn disk_change(sequence: f64, nr_rows: u32) -> u32 {
    on_disk(|disk, buffer| disk.change(from_host(sequence), len(nr_rows), buffer))
}

/// Ends a transaction.
#[unsafe(no_mangle)]
pub extern "C" fn disk_flush() -> u32 {
    on_disk(|disk, _| disk.flush())
}

/// Whether new data had better be refused: 1 or 0.
#[unsafe(no_mangle)]
pub extern "C" fn disk_is_full() -> u32 {
    with(|module| u32::from(module.disk.as_ref().is_some_and(Disk::is_full)))
}

/// A store in the background took no more.
#[unsafe(no_mangle)]
pub extern "C" fn disk_note_full() {
    on_disk(|disk, _| {
        disk.note_full();
        Ok(())
    });
}

/// The next request: 0 for none, 1 for a range, 2 for a chunk. The numbers are its id, start and end, the text is
/// `If-Range`, or the chunk's file.
#[unsafe(no_mangle)]
pub extern "C" fn disk_next(now_ms: f64) -> u32 {
    with(|module| {
        let next = module.far().and_then(|far| far.next(nanoseconds(now_ms)));
        let Some(fetch) = next else {
            return 0;
        };
        let RequestId(id) = fetch.id;
        module.numbers = [
            to_host(id),
            to_host(fetch.range.start),
            to_host(fetch.range.end),
            0.0,
        ];
        let is_chunk = fetch.path.is_some();
        module.text = fetch.path.or(fetch.if_range).unwrap_or_default();
        if is_chunk { 2 } else { 1 }
    })
}

/// The answer to request `id`. `status`: 0 for a broken connection, 1 for a stalled one. The buffer has the `ETag` and
/// the `Content-Range`, whose lengths are negative where there are none, and what there is of the body, whose
/// length was `body_len`. Returns 1 when something has arrived, 2 when something has failed and the text says what.
#[unsafe(no_mangle)]
pub extern "C" fn disk_answer(
    id: f64,
    status: u32,
    etag_len: i32,
    range_len: i32,
    retry_after_s: i32,
    body_len: f64,
    now_ms: f64,
) -> u32 {
    with(|module| {
        let buffer = core::mem::take(&mut module.buffer);
        let mut rest = buffer.as_slice();
        let etag = Module::text_of(&mut rest, etag_len);
        let content_range = Module::text_of(&mut rest, range_len);
        let answer = match status {
            0 => Answer::Network,
            1 => Answer::Stalled,
            status => Answer::Response {
                status: u16::try_from(status).unwrap_or(u16::MAX),
                etag,
                content_range,
                body_len: from_host(body_len),
                retry_after_s: u32::try_from(retry_after_s).ok(),
            },
        };
        let id = RequestId(from_host(id));
        let now_ns = nanoseconds(now_ms);
        let outcome = match (&mut module.disk, &mut module.opening) {
            (Some(disk), _) => disk.answer(id, answer, rest, now_ns),
            (None, Some(opening)) => opening.answer(id, answer, rest, now_ns),
            (None, None) => Outcome::Nothing,
        };
        match outcome {
            Outcome::Nothing => 0,
            Outcome::Arrived(..) => 1,
            Outcome::Failed(text) => {
                module.text = text;
                2
            }
        }
    })
}

/// Bytes of request `id` arrive.
#[unsafe(no_mangle)]
pub extern "C" fn disk_progress(id: f64, now_ms: f64) {
    with(|module| {
        if let Some(far) = module.far() {
            far.progress(RequestId(from_host(id)), nanoseconds(now_ms));
        }
    });
}

/// A request to abort, and to answer with status 1; negative for none.
#[unsafe(no_mangle)]
pub extern "C" fn disk_stalled(now_ms: f64) -> f64 {
    let stalled = with(|module| module.far()?.stalled(nanoseconds(now_ms)));
    stalled.map_or(-1.0, |RequestId(id)| to_host(id))
}

/// When to call `disk_tick`, `disk_stalled` and `disk_next` again if nothing else happens; negative for never.
#[unsafe(no_mangle)]
pub extern "C" fn disk_wake() -> f64 {
    let wake = with(|module| match &module.disk {
        Some(disk) => disk.wake_ns(),
        None => module.far()?.wake_ns(),
    });
    wake.map_or(-1.0, |wake_ns| to_host(wake_ns) / 1e6)
}

/// Does what is due: 1 when the stores were written.
#[unsafe(no_mangle)]
pub extern "C" fn disk_tick(now_ms: f64) -> u32 {
    let now_ns = nanoseconds(now_ms);
    with(|module| u32::from(module.disk.as_mut().is_some_and(|disk| disk.tick(now_ns))))
}

/// The buffer has starts and lengths of ranges, as doubles, that will be read first.
#[unsafe(no_mangle)]
pub extern "C" fn disk_prefetch() {
    on_disk(|disk, buffer| {
        let (pairs, _) = buffer.as_chunks::<16>();
        let pairs = pairs.iter().map(|pair| {
            let [a, b, c, d, e, f, g, h, rest @ ..] = *pair;
            let number = |bytes| from_host(f64::from_le_bytes(bytes));
            (number([a, b, c, d, e, f, g, h]), number(rest))
        });
        disk.prefetch(pairs.collect());
        Ok(())
    });
}

/// Writes what was flushed into store 2.
#[unsafe(no_mangle)]
pub extern "C" fn disk_export() -> u32 {
    on_disk(|disk, _| disk.export(&mut HostStore(EXCHANGE)))
}

/// Puts what store 2 has in the place of all changes.
#[unsafe(no_mangle)]
pub extern "C" fn disk_import() -> u32 {
    with(|module| match &mut module.disk {
        None => Status::Invalid,
        Some(disk) => match disk.import(&HostStore(EXCHANGE)) {
            Ok(()) => Status::Ok,
            Err(failure) => module.failed(failure),
        },
    })
    .number()
}

/// Takes out of the log what is overwritten.
#[unsafe(no_mangle)]
pub extern "C" fn disk_compact() -> u32 {
    on_disk(|disk, _| disk.compact())
}

/// Sizes, as numbers: changed, kept, of the log, garbage.
#[unsafe(no_mangle)]
pub extern "C" fn disk_statistics() {
    with(|module| {
        let Some(statistics) = module.disk.as_ref().map(Disk::statistics) else {
            return;
        };
        module.numbers = [
            statistics.changed_bytes,
            statistics.kept_bytes,
            statistics.log_bytes,
            statistics.garbage_bytes,
        ]
        .map(to_host);
    });
}

/// Brings fetched bytes to the medium: nothing comes after this.
#[unsafe(no_mangle)]
pub extern "C" fn disk_close() {
    on_disk(|disk, _| {
        disk.settle_kept();
        Ok(())
    });
}

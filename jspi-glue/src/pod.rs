//! The one kernel of the module: made at boot by the first Worker, used by all.

use std::sync::{Arc, OnceLock};

use abi::{Errno, Error, Result};
use executor::sorted::SortedMap;
use executor::sync::Lock;
use executor::{Executor, WorkerId};
use fs::budget::{Budget, Limits};
use fs::ext2_mount::{Ext2Fs, cache_bytes_for};
use fs::vfs::device::make_device;
use fs::vfs::{Context, Follow, Vfs};
use fs_ext2::MountOptions;
use kernel::device::Devices;
use kernel::platform::Level;
use kernel::tty::{Terminals, Tty, WindowSize};
use kernel::whole_file::WholeFiles;
use kernel::{Kernel, Parts};
use kernel_loader::{Interruption, Options, Sharing};

use crate::disk::RootDisk;
use crate::heap;
use crate::host_files;
use crate::platform::{Doorbell, WebClock, WebPlatform};
use crate::screen::Screen;
use crate::streams::Streams;
use crate::wire::Reader;

/// Whether several Workers share the kernel's memory: the pool's build. Else there is one Worker.
const IS_SHARED: bool = cfg!(target_feature = "atomics");
/// The most Workers of a pool.
pub(crate) const MAX_WORKERS: usize = 64;
/// Major number of `/dev/ttyN`.
pub(crate) const TTY_MAJOR: u32 = 4;

/// The bits of the loader's mode.
const NO_SAFEPOINTS: u32 = 1;
const SHARE_THREADS: u32 = 2;
/// Streams have numbers from here, terminals below.
const FIRST_STREAM: u32 = 0x1_0000;

/// What the exports work with.
#[derive(Debug)]
pub(crate) struct Pod {
    /// The kernel.
    pub(crate) kernel: Arc<Kernel>,
    /// Streams of processes without a terminal.
    pub(crate) streams: Streams,
    /// The host's ends of terminals, by stream number.
    screens: Lock<SortedMap<u32, Arc<Screen>>>,
    /// The root file system's disk.
    pub(crate) disk: RootDisk,
    /// Files that the host reads.
    pub(crate) files: WholeFiles,
    next_terminal: std::sync::atomic::AtomicU32,
    next_stream: std::sync::atomic::AtomicU32,
}

static POD: OnceLock<Pod> = OnceLock::new();

/// The pod, once it has booted.
pub(crate) fn pod() -> Option<&'static Pod> {
    POD.get()
}

/// The kernel, once it has booted.
pub(crate) fn kernel() -> Option<&'static Arc<Kernel>> {
    POD.get().map(|pod| &pod.kernel)
}

/// Why there is no kernel: an error, and a sentence for people.
pub(crate) type BootFailure = (Error, String);

/// Boots the kernel as `request` says; see `PoolWorker.#bootKernel` in the SDK.
///
/// # Errors
/// A sentence that says what is wrong with the image or a mount; `NOT_RESIDENT` to be called again.
pub(crate) fn boot(
    request: &[u8],
    image: Vec<u8>,
    nr_workers: u32,
    options: Options,
) -> std::result::Result<(), BootFailure> {
    let refused = |reason: &str| (Errno::EINVAL.into(), String::from(reason));
    if nr_workers > 1 && !IS_SHARED {
        return Err(refused("this kernel is built for one Worker"));
    }
    let executors: Vec<_> = (0..nr_workers.clamp(1, 64))
        .map(|worker| Executor::new(WorkerId(worker), Arc::new(WebClock), Arc::new(Doorbell)))
        .collect();
    let mut reader = Reader(request);
    let failed = |what: &'static str| move |error: Error| (error, format!("{what}: {error}"));
    let broken = failed("the boot request");
    let hostname = reader.bytes().map_err(broken)?.to_vec();
    let kib = |words: u32| u64::from(words) << 10;
    let memory = kib(reader.word().map_err(broken)?);
    let shown = kib(reader.word().map_err(broken)?);
    let limits = Limits {
        memory: (memory > 0).then_some(memory),
        shown,
        heap: heap::LIMIT_BYTES,
    };
    let budget = Budget::new(limits, Box::new(heap::used_bytes));
    budget.set_disk_image(u64::try_from(image.len()).unwrap_or(u64::MAX));

    let terminals = Terminals::default();
    let random = Arc::new(|bytes: &mut [u8]| crate::imports::random(bytes));
    let devices = Arc::new(Devices::new(random, terminals.clone()));
    let vfs = Arc::new(Vfs::with_budget(devices, Arc::clone(&budget)));
    let disk = RootDisk::new(image);
    let (root, obstacle) = mount_disk(&disk).map_err(failed("the root image"))?;
    root.share_memory(&budget);
    let flags = obstacle.map_or(0, |_| abi::flags::MS_RDONLY);
    vfs.mount_root(Arc::new(root), b"/dev/root", flags)
        .map_err(failed("mounting the root"))?;
    let kernel = Kernel::new(Parts {
        platform: Arc::new(WebPlatform),
        loader: options,
        vfs,
        terminals,
        executors,
        hostname,
    });
    if let Some(why) = obstacle {
        let message = format!("the root is mounted read-only: {why}");
        kernel.log(Level::Warning, &message);
    }
    kernel
        .boot()
        .map_err(failed("mounting /dev, /proc and /tmp"))?;
    for _ in 0..reader.word().map_err(broken)? {
        let host = reader.bytes().map_err(broken)?;
        let guest = reader.bytes().map_err(broken)?;
        let is_read_only = reader.word().map_err(broken)? != 0;
        mount_host(&kernel, host, guest, is_read_only).map_err(|error| {
            let guest = String::from_utf8_lossy(guest);
            (error, format!("--mount {guest}: {error}"))
        })?;
    }
    if matches!(disk, RootDisk::Remote(_)) {
        kernel.start_write_back();
    }
    let made = Pod {
        kernel,
        streams: Streams::default(),
        screens: Lock::default(),
        disk,
        files: WholeFiles::default(),
        next_terminal: 1.into(),
        next_stream: FIRST_STREAM.into(),
    };
    POD.set(made)
        .map_err(|_| refused("the kernel has booted already"))
}

/// What is on the root's disk, and why it is mounted read-only, as Linux does with a root that cannot be written. ext4 is
/// such a disk.
fn mount_disk(disk: &RootDisk) -> Result<(Ext2Fs, Option<Error>)> {
    let mount = |read_only| {
        let device = disk.device();
        let options = MountOptions {
            read_only,
            cache_bytes: cache_bytes_for(&*device),
            ..MountOptions::default()
        };
        Ext2Fs::mount(device, options)
    };
    match mount(false) {
        Err(error) if error.errno == Errno::EINVAL => Ok((mount(true)?, Some(error))),
        mounted => Ok((mounted?, None)),
    }
}

/// Mounts files of the host at `guest`, whose directories are made if need be.
///
/// # Errors
/// As [`host_files::open`], and as mkdir(2) and mount(2).
pub(crate) fn mount_host(
    kernel: &Arc<Kernel>,
    host: &[u8],
    guest: &[u8],
    is_read_only: bool,
) -> Result<()> {
    let file_system = host_files::open(host, is_read_only)?;
    let root = kernel.root()?;
    let context = kernel.root_context(&root);
    let make = |path: &[u8]| match kernel.vfs.mkdir(&context, path, 0o755) {
        Err(error) if error.errno != Errno::EEXIST => Err(error),
        _ => Ok(()),
    };
    for end in (1..guest.len()).filter(|&end| guest.get(end) == Some(&b'/')) {
        make(guest.get(..end).unwrap_or_default())?;
    }
    make(guest)?;
    let target = kernel.vfs.walk(&context, guest, Follow::Yes)?;
    let flags = if is_read_only {
        abi::flags::MS_RDONLY
    } else {
        0
    };
    kernel.vfs.mount_at(file_system, &target, host, flags)?;
    Ok(())
}

/// How the loader makes programs for this pod, from the bits of `loaderMode` in the SDK.
pub(crate) fn loader_options(mode: u32) -> Options {
    Options {
        interruption: if mode & NO_SAFEPOINTS != 0 {
            Interruption::Absent
        } else {
            Interruption::Countdown
        },
        thread_memory: if mode & SHARE_THREADS == 0 {
            Sharing::Private
        } else {
            Sharing::Shared
        },
        import_number: abi::linux32_number,
        validate: crate::imports::validate,
        write_fork: crate::imports::write_fork,
        translate_wali: crate::imports::translate_wali,
    }
}

impl Pod {
    /// Opens a terminal of this size; its stream number.
    ///
    /// # Errors
    /// `ENOSPC` when there is no room for its device node.
    pub(crate) fn open_terminal(&self, columns: u16, rows: u16) -> Result<u32> {
        let number = self
            .next_terminal
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let screen = Screen::new(number, &self.kernel);
        let host = Arc::clone(&screen);
        let tty = Tty::new(make_device(TTY_MAJOR, number), host);
        tty.set_window_size(WindowSize {
            rows,
            columns,
            ..WindowSize::default()
        });
        self.kernel.add_terminal(tty, number)?;
        self.screens.lock().insert(number, screen);
        Ok(number)
    }

    /// The window of a terminal is closed: the terminal hangs up and is no more.
    pub(crate) fn close_terminal(&self, stream: u32) {
        self.screens.lock().remove(&stream);
        if let Some(tty) = self.kernel.terminals.remove(make_device(TTY_MAJOR, stream)) {
            self.kernel.end_session_terminal(tty.disconnect());
        }
    }

    /// A number for one more stream.
    pub(crate) fn next_stream(&self) -> u32 {
        self.next_stream
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    }

    /// The terminal with this stream number.
    pub(crate) fn terminal(&self, stream: u32) -> Option<Arc<Tty>> {
        self.kernel.terminals.find(make_device(TTY_MAJOR, stream))
    }

    /// The host's end of that terminal.
    pub(crate) fn screen(&self, stream: u32) -> Option<Arc<Screen>> {
        self.screens.lock().get(&stream).cloned()
    }

    /// Who walks paths for the host.
    pub(crate) fn with_context<T>(
        &self,
        use_context: impl FnOnce(&Vfs, &Context<'_>) -> Result<T>,
    ) -> Result<T> {
        let root = self.kernel.root()?;
        use_context(&self.kernel.vfs, &self.kernel.root_context(&root))
    }
}

//! Structures of the libc crate, filled by the C library: a wrong layout shows as a wrong value.
#![expect(unsafe_code, reason = "the calls of the libc crate are")]

use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicI32, Ordering};

/// The result of a C function that answers 0 or -1, and the structure that it has filled.
fn filled<T>(call: impl FnOnce(*mut T) -> libc::c_int) -> io::Result<T> {
    let mut value = MaybeUninit::zeroed();
    if call(value.as_mut_ptr()) != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: all bits zero are a value of these structures, and the call wrote a better one.
    Ok(unsafe { value.assume_init() })
}

pub fn test() -> io::Result<()> {
    let file = std::fs::File::create("c-types")?;
    file.set_len(12_345)?;
    let known = file.metadata()?;
    // SAFETY: the pointer is to a structure of the type that the function fills.
    let stat = filled(|at| unsafe { libc::fstat(file.as_raw_fd(), at) })?;
    println!(
        "stat: {}",
        stat.st_ino == known.ino() && stat.st_size == 12_345
    );
    println!(
        "times: {}",
        stat.st_mtime == known.mtime() && i64::from(stat.st_mtime_nsec) == known.mtime_nsec()
    );
    println!("mode: {:o}", stat.st_mode & libc::S_IFMT);
    std::fs::remove_file("c-types")?;

    // SAFETY: as above.
    let now =
        filled::<libc::timespec>(|at| unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, at) })?;
    println!(
        "clock: {}",
        now.tv_sec > 1_700_000_000 && (0..1_000_000_000).contains(&now.tv_nsec)
    );
    // SAFETY: as above.
    let limit = filled::<libc::rlimit>(|at| unsafe { libc::getrlimit(libc::RLIMIT_CORE, at) })?;
    println!("limit: {}", limit.rlim_cur <= limit.rlim_max);
    // SAFETY: as above.
    let usage = filled::<libc::rusage>(|at| unsafe { libc::getrusage(libc::RUSAGE_SELF, at) })?;
    println!(
        "usage: {}",
        usage.ru_utime.tv_usec < 1_000_000 && usage.ru_maxrss > 0
    );
    let root = CString::new("/")?;
    // SAFETY: as above, and the path ends with NUL.
    let space = filled::<libc::statvfs>(|at| unsafe { libc::statvfs(root.as_ptr(), at) })?;
    println!(
        "space: {}",
        space.f_blocks >= space.f_bfree && space.f_bsize >= 512 && space.f_namemax == 255
    );
    // SAFETY: as above.
    let name = filled::<libc::utsname>(|at| unsafe { libc::uname(at) })?;
    // SAFETY: the kernel ends each field with NUL.
    println!("system: {:?}", unsafe {
        CStr::from_ptr(name.sysname.as_ptr())
    });
    signals()
}

static LAST: AtomicI32 = AtomicI32::new(0);

extern "C" fn note(signal: libc::c_int) {
    LAST.store(signal, Ordering::Relaxed);
}

fn signals() -> io::Result<()> {
    // SAFETY: all bits zero are an action.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = note as *const () as libc::sighandler_t;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: both are structures of their types; the handler only stores a number.
    let (before, after) = unsafe {
        libc::sigaddset(&mut action.sa_mask, libc::SIGUSR2);
        (
            filled(|at| libc::sigaction(libc::SIGUSR1, &action, at))?,
            filled::<libc::sigaction>(|at| libc::sigaction(libc::SIGUSR1, std::ptr::null(), at))?,
        )
    };
    println!("default before: {}", before.sa_sigaction == libc::SIG_DFL);
    println!(
        "installed: {}",
        after.sa_sigaction == action.sa_sigaction && after.sa_flags & libc::SA_RESTART != 0
    );
    // SAFETY: no memory is handed over but the mask.
    unsafe {
        println!(
            "masked: {} {}",
            libc::sigismember(&after.sa_mask, libc::SIGUSR2),
            libc::sigismember(&after.sa_mask, libc::SIGHUP)
        );
        println!("raised: {}", libc::raise(libc::SIGUSR1));
    }
    println!("seen: {}", LAST.load(Ordering::Relaxed) == libc::SIGUSR1);
    Ok(())
}

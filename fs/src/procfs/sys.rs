//! `/proc/sys`: one row for each setting; the directories follow from the paths.

use abi::limits::{
    EPOLL_MAX_USER_WATCHES, INOTIFY_MAX_INSTANCES, INOTIFY_MAX_QUEUED, INOTIFY_MAX_WATCHES,
    MOUNT_MAX, MQ_MAX_MESSAGES, MQ_MAX_SIZE, MQ_QUEUES_MAX, NGROUPS_MAX, NR_OPEN, PID_MAX,
    PIPE_MAX_SIZE,
};
use abi::{Errno, Result};

use super::source::ProcessSource;

/// A setting.
#[derive(Debug)]
pub(super) struct Setting {
    /// Path below `/proc/sys`.
    pub(super) path: &'static str,
    /// Its text now.
    pub(super) read: fn(&dyn ProcessSource) -> Vec<u8>,
    /// Changes it; `None`: nobody can.
    pub(super) write: Option<Write>,
}

/// Changes a setting.
type Write = fn(&dyn ProcessSource, &[u8]) -> Result<()>;

/// A setting that is always the same.
macro_rules! fixed {
    ($path:literal, $value:expr) => {
        Setting {
            path: $path,
            read: |_| format!("{}\n", $value).into_bytes(),
            write: None,
        }
    };
}

/// All settings, sorted by path.
pub(super) const SETTINGS: &[Setting] = &[
    fixed!("fs/epoll/max_user_watches", EPOLL_MAX_USER_WATCHES),
    fixed!("fs/file-max", 9_223_372_036_854_775_807_u64),
    fixed!("fs/inotify/max_queued_events", INOTIFY_MAX_QUEUED),
    fixed!("fs/inotify/max_user_instances", INOTIFY_MAX_INSTANCES),
    fixed!("fs/inotify/max_user_watches", INOTIFY_MAX_WATCHES),
    fixed!("fs/lease-break-time", 45),
    fixed!("fs/mount-max", MOUNT_MAX),
    fixed!("fs/mqueue/msg_default", MQ_MAX_MESSAGES),
    fixed!("fs/mqueue/msg_max", MQ_MAX_MESSAGES),
    fixed!("fs/mqueue/msgsize_default", MQ_MAX_SIZE),
    fixed!("fs/mqueue/msgsize_max", MQ_MAX_SIZE),
    fixed!("fs/mqueue/queues_max", MQ_QUEUES_MAX),
    fixed!("fs/nr_open", NR_OPEN),
    fixed!("fs/overflowgid", 65_534),
    fixed!("fs/overflowuid", 65_534),
    fixed!("fs/pipe-max-size", PIPE_MAX_SIZE),
    fixed!("fs/protected_hardlinks", 0),
    fixed!("fs/protected_symlinks", 0),
    fixed!("fs/suid_dumpable", 0),
    fixed!("kernel/arch", "wasm32"),
    fixed!("kernel/cap_last_cap", 40),
    fixed!("kernel/core_pattern", "core"),
    fixed!("kernel/core_uses_pid", 0),
    fixed!("kernel/dmesg_restrict", 0),
    Setting {
        path: "kernel/domainname",
        read: |source| line(source.system().domain_name),
        write: None,
    },
    Setting {
        path: "kernel/hostname",
        read: |source| line(source.system().hostname),
        write: Some(write_hostname),
    },
    fixed!("kernel/io_uring_disabled", 2),
    fixed!("kernel/kptr_restrict", 0),
    fixed!("kernel/ngroups_max", NGROUPS_MAX),
    Setting {
        path: "kernel/osrelease",
        read: |source| line(source.system().release.as_bytes().to_vec()),
        write: None,
    },
    fixed!("kernel/ostype", "Linux"),
    fixed!("kernel/overflowgid", 65_534),
    fixed!("kernel/overflowuid", 65_534),
    fixed!("kernel/panic", 0),
    fixed!("kernel/perf_event_paranoid", 4),
    fixed!("kernel/pid_max", PID_MAX),
    fixed!("kernel/printk", "4\t4\t1\t7"),
    Setting {
        path: "kernel/random/boot_id",
        read: |source| uuid(source.system().boot_id),
        write: None,
    },
    fixed!("kernel/random/entropy_avail", 256),
    fixed!("kernel/random/poolsize", 256),
    Setting {
        path: "kernel/random/uuid",
        read: random_uuid,
        write: None,
    },
    fixed!("kernel/randomize_va_space", 0),
    fixed!("kernel/sched_rr_timeslice_ms", 100),
    fixed!("kernel/tainted", 0),
    fixed!("kernel/threads-max", PID_MAX),
    Setting {
        path: "kernel/version",
        read: |source| line(source.system().version.as_bytes().to_vec()),
        write: None,
    },
    fixed!("net/core/somaxconn", 4096),
    fixed!("net/ipv4/ip_local_port_range", "32768\t60999"),
    fixed!("vm/max_map_count", 65_530),
    Setting {
        path: "vm/overcommit_memory",
        read: overcommit,
        write: None,
    },
    fixed!("vm/swappiness", 60),
];

fn line(mut text: Vec<u8>) -> Vec<u8> {
    text.push(b'\n');
    text
}

fn write_hostname(source: &dyn ProcessSource, text: &[u8]) -> Result<()> {
    let name = text
        .split(|&byte| byte == b'\n' || byte == 0)
        .next()
        .unwrap_or_default();
    if name.len() > abi::limits::HOST_NAME_MAX {
        return Err(Errno::EINVAL.because("longer than HOST_NAME_MAX"));
    }
    source.set_hostname(name)
}

/// 2: memory counts from the call that promised it; 1: there is no end to promises.
fn overcommit(source: &dyn ProcessSource) -> Vec<u8> {
    let is_limited = source.system().is_memory_limited;
    line(if is_limited { b"2" } else { b"1" }.to_vec())
}

/// Another UUID at each read.
fn random_uuid(source: &dyn ProcessSource) -> Vec<u8> {
    let mut bytes = [0; 16];
    source.fill_random(&mut bytes);
    uuid(u128::from_be_bytes(bytes))
}

/// A UUID of version 4 made of a random number.
fn uuid(number: u128) -> Vec<u8> {
    let number = (number & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{number:032x}");
    let mut text = String::new();
    for (index, digit) in hex.chars().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    line(text.into_bytes())
}

/// What stands directly below a directory of `/proc/sys`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entry {
    /// A directory, with its path.
    Directory(&'static str),
    /// A setting.
    Setting(&'static Setting),
}

/// The entries of the directory `path` (empty for `/proc/sys`), with their names, in order.
pub(super) fn entries(path: &str) -> impl Iterator<Item = (&'static str, Entry)> {
    let mut last = "";
    let depth = if path.is_empty() {
        0
    } else {
        path.len().saturating_add(1)
    };
    let path = path.to_owned();
    SETTINGS.iter().filter_map(move |setting| {
        let below = match path.as_str() {
            "" => setting.path,
            path => setting.path.strip_prefix(path)?.strip_prefix('/')?,
        };
        let Some((name, _)) = below.split_once('/') else {
            return Some((below, Entry::Setting(setting)));
        };
        if name == last {
            return None;
        }
        last = name;
        let directory = setting.path.get(..depth.saturating_add(name.len()))?;
        Some((name, Entry::Directory(directory)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_sorted() {
        assert!(SETTINGS.is_sorted_by_key(|setting| setting.path));
    }

    #[test]
    fn directories_follow_from_paths() {
        let names = |path| entries(path).map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(""), ["fs", "kernel", "net", "vm"]);
        assert_eq!(
            names("kernel/random"),
            ["boot_id", "entropy_avail", "poolsize", "uuid"]
        );
        assert_eq!(names("net"), ["core", "ipv4"]);
    }
}

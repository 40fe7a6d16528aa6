//! The texts of `/proc/PID`.

use super::source::{Descriptor, Place, ProcessSource, ProcessStatus};
use super::system::ticks;
use super::{memory, status};
use crate::vfs::path::Location;

/// Makes the text of one file; `None`: the process is gone.
pub(super) type Text = fn(&dyn ProcessSource, u32) -> Option<Vec<u8>>;

/// What stands in `/proc/PID` and `/proc/PID/task/TID`.
#[derive(Debug)]
pub(super) enum Entry {
    /// A file with its permission bits.
    File(u32, Text),
    /// A link.
    Link(Place),
    /// `fd`
    Descriptors,
    /// `fdinfo`
    DescriptorInfos,
    /// `task`; not below itself.
    Threads,
}

/// The entries, in the order in which they are listed.
pub(super) const ENTRIES: &[(&str, Entry)] = &[
    ("task", Entry::Threads),
    ("fd", Entry::Descriptors),
    ("fdinfo", Entry::DescriptorInfos),
    (
        "environ",
        Entry::File(0o400, |source, pid| source.environment(pid)),
    ),
    (
        "status",
        Entry::File(0o444, |source, pid| {
            Some(status::text(source, &source.status(pid)?))
        }),
    ),
    (
        "limits",
        Entry::File(0o444, |source, pid| source.limits(pid)),
    ),
    ("comm", Entry::File(0o644, comm)),
    (
        "cmdline",
        Entry::File(0o444, |source, pid| source.arguments(pid)),
    ),
    (
        "stat",
        Entry::File(0o444, |source, pid| Some(stat(&source.status(pid)?))),
    ),
    (
        "statm",
        Entry::File(0o444, |source, pid| Some(statm(&source.status(pid)?))),
    ),
    ("maps", Entry::File(0o444, memory::maps)),
    ("smaps", Entry::File(0o444, memory::smaps)),
    ("smaps_rollup", Entry::File(0o444, memory::smaps_rollup)),
    ("cwd", Entry::Link(Place::WorkingDirectory)),
    ("root", Entry::Link(Place::Root)),
    ("exe", Entry::Link(Place::Executable)),
    ("mounts", Entry::File(0o444, mounts)),
    ("mountinfo", Entry::File(0o444, mountinfo)),
    (
        "cgroup",
        Entry::File(0o444, |source, pid| constant(source, pid, "0::/\n")),
    ),
    (
        "oom_score",
        Entry::File(0o444, |source, pid| constant(source, pid, "0\n")),
    ),
    (
        "oom_score_adj",
        Entry::File(0o644, |source, pid| {
            let value = source.status(pid)?.oom_score_adj;
            Some(format!("{value}\n").into_bytes())
        }),
    ),
    (
        "loginuid",
        Entry::File(0o644, |source, pid| constant(source, pid, "4294967295")),
    ),
    (
        "sessionid",
        Entry::File(0o444, |source, pid| constant(source, pid, "4294967295")),
    ),
    (
        "cpuset",
        Entry::File(0o444, |source, pid| constant(source, pid, "/\n")),
    ),
    (
        "setgroups",
        Entry::File(0o644, |source, pid| constant(source, pid, "allow\n")),
    ),
    (
        "wchan",
        Entry::File(0o444, |source, pid| constant(source, pid, "0")),
    ),
    (
        "personality",
        Entry::File(0o400, |source, pid| constant(source, pid, "00000000\n")),
    ),
    ("schedstat", Entry::File(0o444, schedstat)),
    ("io", Entry::File(0o400, io)),
    ("timerslack_ns", Entry::File(0o444, timer_slack)),
    (
        "uid_map",
        Entry::File(0o444, |source, pid| constant(source, pid, ID_MAP)),
    ),
    (
        "gid_map",
        Entry::File(0o444, |source, pid| constant(source, pid, ID_MAP)),
    ),
];

/// All users and groups are the same inside and outside: user_namespaces(7).
const ID_MAP: &str = "         0          0 4294967295\n";

fn constant(source: &dyn ProcessSource, pid: u32, text: &str) -> Option<Vec<u8>> {
    source.status(pid).map(|_| text.as_bytes().to_vec())
}

fn comm(source: &dyn ProcessSource, pid: u32) -> Option<Vec<u8>> {
    let mut text = source.status(pid)?.comm;
    text.push(b'\n');
    Some(text)
}

/// Time run, time waited for a processor, number of times that it ran.
fn schedstat(source: &dyn ProcessSource, pid: u32) -> Option<Vec<u8>> {
    let p = source.status(pid)?;
    let ran_ns = p.user_ns.saturating_add(p.system_ns);
    let switches = p.nr_voluntary_switches;
    let times = switches.saturating_add(p.nr_involuntary_switches);
    Some(format!("{ran_ns} 0 {times}\n").into_bytes())
}

/// What reaches a disk is not told apart by who caused it.
fn io(source: &dyn ProcessSource, pid: u32) -> Option<Vec<u8>> {
    const NAMES: [&str; 7] = [
        "rchar",
        "wchar",
        "syscr",
        "syscw",
        "read_bytes",
        "write_bytes",
        "cancelled_write_bytes",
    ];
    let values = source.io(pid)?.into_iter().chain([0; 3]);
    let lines = NAMES.iter().zip(values);
    Some(
        lines
            .flat_map(|(name, value)| format!("{name}: {value}\n").into_bytes())
            .collect(),
    )
}

fn timer_slack(source: &dyn ProcessSource, pid: u32) -> Option<Vec<u8>> {
    let slack_ns = source.status(pid)?.timer_slack_ns;
    Some(format!("{slack_ns}\n").into_bytes())
}

fn mounts(source: &dyn ProcessSource, pid: u32) -> Option<Vec<u8>> {
    let root = source.place(pid, Place::Root)?;
    Some(
        root.map(|root| source.vfs().mounts_text(&root))
            .unwrap_or_default(),
    )
}

fn mountinfo(source: &dyn ProcessSource, pid: u32) -> Option<Vec<u8>> {
    let root = source.place(pid, Place::Root)?;
    Some(
        root.map(|root| source.vfs().mountinfo_text(&root))
            .unwrap_or_default(),
    )
}

/// `/proc/PID/stat`: 52 numbers in a line.
fn stat(p: &ProcessStatus) -> Vec<u8> {
    let mut text = format!("{} (", p.pid).into_bytes();
    text.extend_from_slice(&p.comm);
    let rest = format!(
        ") {} {} {} {} {} {} 4194304 0 0 0 0 {} {} {} {} {} {} {} 0 {} {} {} \
         18446744073709551615 0 0 0 0 0 {} {} {} {} 0 0 0 {} {} 0 0 0 0 0 0 0 0 0 0 0 0 {}\n",
        p.state.letter(),
        p.parent,
        p.group,
        p.session,
        p.terminal,
        p.foreground_group,
        ticks(p.user_ns),
        ticks(p.system_ns),
        ticks(p.children_user_ns),
        ticks(p.children_system_ns),
        p.nice.saturating_add(20),
        p.nice,
        p.nr_threads,
        ticks(p.started_ns),
        p.memory.virtual_bytes,
        p.memory.resident_bytes / 4096,
        p.pending & 0x7fff_ffff,
        p.blocked & 0x7fff_ffff,
        p.ignored & 0x7fff_ffff,
        p.caught & 0x7fff_ffff,
        p.exit_signal,
        p.processor,
        p.exit_status,
    );
    text.extend_from_slice(rest.as_bytes());
    text
}

/// `/proc/PID/statm`, in pages.
fn statm(p: &ProcessStatus) -> Vec<u8> {
    let (size, resident) = (
        p.memory.virtual_bytes / 4096,
        p.memory.resident_bytes / 4096,
    );
    format!("{size} {resident} 0 0 0 {size} 0\n").into_bytes()
}

/// `/proc/PID/fdinfo/N`.
pub(super) fn descriptor_info(descriptor: &Descriptor) -> Vec<u8> {
    let inode = descriptor
        .location
        .metadata()
        .map_or(0, |metadata| metadata.inode);
    format!(
        "pos:\t{}\nflags:\t0{:o}\nmnt_id:\t{}\nino:\t{inode}\n{}",
        descriptor.position,
        descriptor.flags,
        descriptor.location.mount.id(),
        descriptor.details,
    )
    .into_bytes()
}

/// The path of `location` as the process `pid` would see it.
pub(super) fn path_for(source: &dyn ProcessSource, pid: u32, location: &Location) -> Vec<u8> {
    match source.place(pid, Place::Root) {
        Some(Some(root)) => location.path(&root),
        _ => location.absolute_path(),
    }
}

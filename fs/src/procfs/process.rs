//! The texts of `/proc/PID`.

use std::fmt::Write;

use super::source::{Descriptor, Place, ProcessSource, ProcessStatus};
use super::system::ticks;
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
            Some(status(source, &source.status(pid)?))
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
    ("maps", Entry::File(0o444, |source, pid| source.maps(pid))),
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
        Entry::File(0o644, |source, pid| constant(source, pid, "0\n")),
    ),
    (
        "wchan",
        Entry::File(0o444, |source, pid| constant(source, pid, "0")),
    ),
];

fn constant(source: &dyn ProcessSource, pid: u32, text: &str) -> Option<Vec<u8>> {
    source.status(pid).map(|_| text.as_bytes().to_vec())
}

fn comm(source: &dyn ProcessSource, pid: u32) -> Option<Vec<u8>> {
    let mut text = source.status(pid)?.comm;
    text.push(b'\n');
    Some(text)
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
        p.virtual_bytes,
        p.resident_bytes / 4096,
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
    let (size, resident) = (p.virtual_bytes / 4096, p.resident_bytes / 4096);
    format!("{size} {resident} 0 0 0 {size} 0\n").into_bytes()
}

/// `/proc/PID/status`.
fn status(source: &dyn ProcessSource, p: &ProcessStatus) -> Vec<u8> {
    let mut name = String::new();
    for byte in &p.comm {
        match byte {
            b'\n' => name.push_str("\\n"),
            b'\\' => name.push_str("\\\\"),
            _ => name.push(char::from(*byte)),
        }
    }
    let nr_processors = source.system().nr_processors.clamp(1, 64);
    let mask = u64::MAX
        .checked_shr(64_u32.saturating_sub(nr_processors))
        .unwrap_or(1);
    let ids = |ids: [u32; 4]| ids.map(|id| id.to_string()).join("\t");
    let groups: String = p.groups.iter().map(|group| format!("{group} ")).collect();
    let (virtual_kib, resident_kib) = (p.virtual_bytes / 1024, p.resident_bytes / 1024);
    let mut text = String::new();
    let _ = write!(
        text,
        "Name:\t{name}\nUmask:\t{:04o}\nState:\t{}\nTgid:\t{}\nNgid:\t0\nPid:\t{}\nPPid:\t{}\n\
         TracerPid:\t0\nUid:\t{}\nGid:\t{}\nFDSize:\t{}\nGroups:\t{groups}\n\
         NStgid:\t{1}\nNSpid:\t{3}\nNSpgid:\t{}\nNSsid:\t{}\nKthread:\t0\n",
        p.umask,
        p.state.text(),
        p.process,
        p.pid,
        p.parent,
        ids(p.uids),
        ids(p.gids),
        p.nr_descriptor_slots,
        p.group,
        p.session,
    );
    let sizes = [
        ("VmPeak", virtual_kib),
        ("VmSize", virtual_kib),
        ("VmLck", 0),
        ("VmPin", 0),
        ("VmHWM", resident_kib),
        ("VmRSS", resident_kib),
        ("RssAnon", resident_kib),
        ("RssFile", 0),
        ("RssShmem", 0),
        ("VmData", virtual_kib),
        ("VmStk", p.stack_bytes / 1024),
        ("VmExe", 0),
        ("VmLib", 0),
        ("VmPTE", 0),
        ("VmSwap", 0),
    ];
    for (name, kib) in sizes {
        let _ = writeln!(text, "{name}:\t{kib:>8} kB");
    }
    let capabilities: u64 = if p.uids.get(1) == Some(&0) {
        0x1ff_ffff_ffff
    } else {
        0
    };
    let _ = write!(
        text,
        "Threads:\t{}\nSigQ:\t0/1024\nSigPnd:\t{:016x}\nShdPnd:\t{:016x}\nSigBlk:\t{:016x}\n\
         SigIgn:\t{:016x}\nSigCgt:\t{:016x}\nCapInh:\t{:016x}\nCapPrm:\t{capabilities:016x}\n\
         CapEff:\t{capabilities:016x}\nCapBnd:\t000001ffffffffff\nCapAmb:\t{:016x}\n\
         NoNewPrivs:\t0\nSeccomp:\t0\nCpus_allowed:\t{mask:x}\nCpus_allowed_list:\t0-{}\n\
         voluntary_ctxt_switches:\t{}\nnonvoluntary_ctxt_switches:\t{}\n",
        p.nr_threads,
        0,
        p.pending,
        p.blocked,
        p.ignored,
        p.caught,
        0,
        0,
        nr_processors.saturating_sub(1),
        p.nr_voluntary_switches,
        p.nr_involuntary_switches,
    );
    text.into_bytes()
}

/// `/proc/PID/fdinfo/N`.
pub(super) fn descriptor_info(descriptor: &Descriptor) -> Vec<u8> {
    let inode = descriptor
        .location
        .metadata()
        .map_or(0, |metadata| metadata.inode);
    format!(
        "pos:\t{}\nflags:\t0{:o}\nmnt_id:\t{}\nino:\t{inode}\n",
        descriptor.position,
        descriptor.flags,
        descriptor.location.mount.id(),
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

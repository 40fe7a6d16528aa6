//! The texts of `/proc/meminfo`, `/proc/stat` and their neighbours.

use std::fmt::Write;

use abi::limits::HZ;

use super::source::{ProcessSource, SystemStatus};
use crate::vfs::registry::FILE_SYSTEMS;

/// Makes the text of one file.
pub(super) type Text = fn(&dyn ProcessSource) -> String;

/// Files of `/proc` itself, with their texts.
pub(super) const FILES: &[(&str, Text)] = &[
    ("cgroups", |_| {
        "#subsys_name\thierarchy\tnum_cgroups\tenabled\n".to_owned()
    }),
    ("cmdline", |_| "shoal\n".to_owned()),
    ("cpuinfo", |source| cpuinfo(&source.system())),
    ("devices", |_| devices()),
    ("diskstats", |_| String::new()),
    ("filesystems", |_| filesystems()),
    ("interrupts", |source| interrupts(&source.system())),
    ("loadavg", |source| loadavg(&source.system())),
    ("meminfo", |source| meminfo(&source.system())),
    ("misc", |_| String::new()),
    ("partitions", |_| {
        "major minor  #blocks  name\n\n".to_owned()
    }),
    ("softirqs", |source| softirqs(&source.system())),
    ("stat", |source| stat(&source.system())),
    ("swaps", |_| {
        "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n".to_owned()
    }),
    ("uptime", |source| uptime(&source.system())),
    ("version", |source| version(&source.system())),
    ("vmstat", |source| vmstat(&source.system())),
];

/// Nanoseconds as ticks of `HZ`.
pub(super) const fn ticks(nanoseconds: u64) -> u64 {
    nanoseconds / (1_000_000_000 / HZ)
}

fn uptime(system: &SystemStatus) -> String {
    let hundredths = |ns: u64| {
        let hundredths = ns / 10_000_000;
        format!("{}.{:02}", hundredths / 100, hundredths % 100)
    };
    format!(
        "{} {}\n",
        hundredths(system.uptime_ns),
        hundredths(system.idle_ns)
    )
}

fn loadavg(system: &SystemStatus) -> String {
    let mut text = String::new();
    for load in system.load_hundredths {
        let _ = write!(text, "{}.{:02} ", load / 100, load % 100);
    }
    let _ = writeln!(
        text,
        "{}/{} {}",
        system.nr_running, system.nr_processes, system.last_pid
    );
    text
}

fn version(system: &SystemStatus) -> String {
    format!(
        "Linux version {} (shoal@shoal) (rustc) {}\n",
        system.release, system.version
    )
}

fn meminfo(system: &SystemStatus) -> String {
    let used = system.total_bytes.saturating_sub(system.free_bytes);
    let files = system.cached_bytes.saturating_add(system.shared_bytes);
    let anonymous = used.saturating_sub(files);
    let available = system.free_bytes.saturating_add(system.cached_bytes);
    let rows = [
        ("MemTotal", system.total_bytes),
        ("MemFree", system.free_bytes),
        ("MemAvailable", available.min(system.total_bytes)),
        ("Buffers", system.cached_bytes),
        ("Cached", system.shared_bytes),
        ("SwapCached", 0),
        ("Active", anonymous),
        ("Inactive", files),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("Dirty", 0),
        ("Writeback", 0),
        ("AnonPages", anonymous),
        ("Mapped", 0),
        ("Shmem", system.shared_bytes),
        ("Slab", 0),
        ("SReclaimable", 0),
        ("SUnreclaim", 0),
        ("KernelStack", 0),
        ("PageTables", 0),
        ("CommitLimit", system.total_bytes),
        ("Committed_AS", used),
        ("VmallocTotal", 0),
        ("VmallocUsed", 0),
    ];
    let mut text = String::new();
    for (name, bytes) in rows {
        let _ = writeln!(text, "{:<15} {:>8} kB", format!("{name}:"), bytes / 1024);
    }
    text
}

fn stat(system: &SystemStatus) -> String {
    let mut text = String::new();
    let share = |ns: u64| {
        ticks(ns)
            .checked_div(u64::from(system.nr_processors))
            .unwrap_or(0)
    };
    let row = |user: u64, kernel: u64, idle: u64| format!("{user} 0 {kernel} {idle} 0 0 0 0 0 0");
    let all = row(
        ticks(system.user_ns),
        ticks(system.system_ns),
        ticks(system.idle_ns),
    );
    let _ = writeln!(text, "cpu  {all}");
    let one = row(
        share(system.user_ns),
        share(system.system_ns),
        share(system.idle_ns),
    );
    for number in 0..system.nr_processors {
        let _ = writeln!(text, "cpu{number} {one}");
    }
    let _ = write!(
        text,
        "intr 0\nctxt {}\nbtime {}\nprocesses {}\nprocs_running {}\nprocs_blocked 0\n\
         softirq 0 0 0 0 0 0 0 0 0 0 0\n",
        system.nr_switches, system.booted_seconds, system.nr_forks, system.nr_running
    );
    text
}

fn cpuinfo(system: &SystemStatus) -> String {
    let mut text = String::new();
    for number in 0..system.nr_processors {
        let _ = write!(
            text,
            "processor\t: {number}\nvendor_id\t: WebAssembly\ncpu family\t: 1\nmodel\t\t: 1\n\
             model name\t: WebAssembly virtual processor\nstepping\t: 1\ncpu MHz\t\t: 1000.000\n\
             physical id\t: 0\nsiblings\t: {0}\ncore id\t\t: {number}\ncpu cores\t: {0}\n\
             bogomips\t: 2000.00\n\n",
            system.nr_processors
        );
    }
    text
}

fn vmstat(system: &SystemStatus) -> String {
    format!(
        "nr_free_pages {}\npgpgin 0\npgpgout 0\n",
        system.free_bytes / 4096
    )
}

/// The head of a table that has a column for each processor, the first of them at `indent`.
fn processor_columns(system: &SystemStatus, indent: usize) -> String {
    let mut text = " ".repeat(indent);
    for number in 0..system.nr_processors {
        let _ = write!(text, "{:<11}", format!("CPU{number}"));
    }
    text.push('\n');
    text
}

/// Nothing interrupts a Worker: the table has no rows.
fn interrupts(system: &SystemStatus) -> String {
    processor_columns(system, 11)
}

/// All counts are 0.
fn softirqs(system: &SystemStatus) -> String {
    const NAMES: [&str; 10] = [
        "HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER",
        "RCU",
    ];
    let mut text = processor_columns(system, 20);
    for name in NAMES {
        let _ = write!(text, "{:>12}", format!("{name}:"));
        for _ in 0..system.nr_processors {
            let _ = write!(text, " {:>10}", 0);
        }
        text.push('\n');
    }
    text
}

fn filesystems() -> String {
    let mut text = String::new();
    for row in FILE_SYSTEMS {
        let _ = writeln!(
            text,
            "{}\t{}",
            if row.needs_device { "" } else { "nodev" },
            row.name
        );
    }
    text
}

fn devices() -> String {
    "Character devices:\n  1 mem\n  4 tty\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n136 pts\n\n\
     Block devices:\n"
        .to_owned()
}

//! `/proc/PID/status`.

use std::fmt::Write;

use super::source::{ProcessSource, ProcessState, ProcessStatus};

/// The slots of the smallest descriptor table; larger ones are powers of two.
const MIN_SLOTS: u32 = 64;

/// All lines.
pub(super) fn text(source: &dyn ProcessSource, p: &ProcessStatus) -> Vec<u8> {
    let mut text = escaped(&p.comm);
    let mut rest = String::new();
    // Writing to a string does not fail, here and below.
    let _ = identity(&mut rest, p);
    if p.state != ProcessState::Zombie {
        let _ = sizes(&mut rest, p);
    }
    let _ = signals(&mut rest, p);
    let _ = privileges(&mut rest, p);
    let _ = scheduling(&mut rest, p, source.system().nr_processors);
    text.splice(0..0, *b"Name:\t");
    text.extend(rest.into_bytes());
    text
}

/// The short name with line feeds and backslashes made visible.
fn escaped(name: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for &byte in name {
        match byte {
            b'\n' => text.extend(b"\\n"),
            b'\\' => text.extend(b"\\\\"),
            _ => text.push(byte),
        }
    }
    text
}

fn identity(text: &mut String, p: &ProcessStatus) -> std::fmt::Result {
    let ids = |ids: [u32; 4]| ids.map(|id| id.to_string()).join("\t");
    let mut groups: String = p.groups.iter().map(|group| format!("{group} ")).collect();
    if groups.is_empty() {
        groups.push(' ');
    }
    let nr_slots = p.nr_descriptor_slots.max(MIN_SLOTS).next_power_of_two();
    let (uids, gids) = (ids(p.uids), ids(p.gids));
    writeln!(
        text,
        "\nUmask:\t{:04o}\nState:\t{}",
        p.umask,
        p.state.text()
    )?;
    writeln!(text, "Tgid:\t{}\nNgid:\t0\nPid:\t{}", p.process, p.pid)?;
    writeln!(text, "PPid:\t{}\nTracerPid:\t0", p.parent)?;
    writeln!(text, "Uid:\t{uids}\nGid:\t{gids}")?;
    writeln!(text, "FDSize:\t{nr_slots}\nGroups:\t{groups}")?;
    writeln!(text, "NStgid:\t{}\nNSpid:\t{}", p.process, p.pid)?;
    writeln!(text, "NSpgid:\t{}\nNSsid:\t{}", p.group, p.session)?;
    writeln!(text, "Kthread:\t0")
}

fn sizes(text: &mut String, p: &ProcessStatus) -> std::fmt::Result {
    let kib = |bytes: u64| bytes / 1024;
    let (size, resident) = (kib(p.memory.virtual_bytes), kib(p.memory.resident_bytes));
    let stack = kib(p.memory.stack_bytes);
    let rows = [
        ("VmPeak", kib(p.memory.virtual_peak_bytes)),
        ("VmSize", size),
        ("VmLck", 0),
        ("VmPin", 0),
        ("VmHWM", resident),
        ("VmRSS", resident),
        ("RssAnon", resident),
        ("RssFile", 0),
        ("RssShmem", 0),
        ("VmData", size.saturating_sub(stack)),
        ("VmStk", stack),
        ("VmExe", 0),
        ("VmLib", 0),
        ("VmPTE", 0),
        ("VmSwap", 0),
        ("HugetlbPages", 0),
    ];
    for (name, kib) in rows {
        writeln!(text, "{name}:\t{kib:>8} kB")?;
    }
    writeln!(text, "CoreDumping:\t0\nTHP_enabled:\t0")
}

fn signals(text: &mut String, p: &ProcessStatus) -> std::fmt::Result {
    let nr_pending = p.pending.count_ones();
    writeln!(text, "Threads:\t{}", p.nr_threads)?;
    writeln!(text, "SigQ:\t{nr_pending}/{}", p.max_pending_signals)?;
    let sets = [
        ("SigPnd", 0),
        ("ShdPnd", p.pending),
        ("SigBlk", p.blocked),
        ("SigIgn", p.ignored),
        ("SigCgt", p.caught),
    ];
    for (name, set) in sets {
        writeln!(text, "{name}:\t{set:016x}")?;
    }
    Ok(())
}

fn privileges(text: &mut String, p: &ProcessStatus) -> std::fmt::Result {
    let names = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
    for (name, set) in names.into_iter().zip(p.capabilities) {
        writeln!(text, "{name}:\t{set:016x}")?;
    }
    let no_new_privileges = u8::from(p.has_no_new_privileges);
    writeln!(text, "NoNewPrivs:\t{no_new_privileges}")?;
    writeln!(text, "Seccomp:\t0\nSeccomp_filters:\t0")
}

fn scheduling(text: &mut String, p: &ProcessStatus, nr_processors: u32) -> std::fmt::Result {
    let unused = 64_u32.saturating_sub(nr_processors.max(1));
    let mask = p.affinity & u64::MAX.checked_shr(unused).unwrap_or(u64::MAX);
    writeln!(text, "Cpus_allowed:\t{mask:x}")?;
    writeln!(text, "Cpus_allowed_list:\t{}", ranges(mask))?;
    writeln!(text, "Mems_allowed:\t1\nMems_allowed_list:\t0")?;
    let (voluntary, involuntary) = (p.nr_voluntary_switches, p.nr_involuntary_switches);
    writeln!(text, "voluntary_ctxt_switches:\t{voluntary}")?;
    writeln!(text, "nonvoluntary_ctxt_switches:\t{involuntary}")
}

/// The numbers of the bits of `mask`, as in `0-2,5`.
fn ranges(mask: u64) -> String {
    let is_set = |bit: u32| mask.checked_shr(bit).unwrap_or(0) & 1 == 1;
    let mut text = String::new();
    let mut first = 0;
    for bit in (0..64).filter(|&bit| is_set(bit)) {
        if bit == 0 || !is_set(bit.saturating_sub(1)) {
            first = bit;
        }
        if bit < 63 && is_set(bit.saturating_add(1)) {
            continue;
        }
        let comma = if text.is_empty() { "" } else { "," };
        let _ = if first == bit {
            write!(text, "{comma}{bit}")
        } else {
            write!(text, "{comma}{first}-{bit}")
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_processors_are_ranges() {
        assert_eq!(ranges(0), "");
        assert_eq!(ranges(1), "0");
        assert_eq!(ranges(0b1010_0111), "0-2,5,7");
        assert_eq!(ranges(u64::MAX), "0-63");
    }

    #[test]
    fn names_stay_on_their_line() {
        assert_eq!(escaped(b"a\nb\\\xff"), b"a\\nb\\\\\xff");
    }
}

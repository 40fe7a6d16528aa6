//! The page that says which system calls there are (`docs/linux-coverage.md`).

use core::fmt::{self, Write};

use crate::programs::{self, LIMITS, PROGRAMS};
use crate::special::{I386_BASE, PRIVATE_BASE};
use crate::table::{Level, SYSCALLS, SyscallInfo};
use crate::unimplemented::UNIMPLEMENTED;

const HEAD: &str = "\
# System calls of Linux in Shoal

Generated from `syscalls/abi/src/table.rs` by `cargo xtask gen`: do not edit. Numbers are x86-64's; `i386 n` is a
form that only 32-bit programs have. *Full* means all of the manual page that a program can see; a note says what a
partial call leaves out. All other calls answer `ENOSYS`, and the kernel's log names the call once.
";

const PROGRAMS_HEAD: &str = "
## What programs use

The calls that these programs make on Linux (`syscalls/abi/src/programs.rs`), and which of them are not full here.

| program | calls | partial | not there |
|---|---|---|---|
";

/// How many rows of the table have each level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows that leave nothing out.
    pub full: usize,
    /// Rows that leave something out.
    pub partial: usize,
    /// Rows and listed calls that answer `ENOSYS`, without the 32-bit forms.
    pub missing: usize,
}

/// Counts the calls that have a number on x86-64.
pub fn counts() -> Counts {
    let mut counts = Counts::default();
    for row in SYSCALLS.iter().filter(|row| row.number < I386_BASE) {
        let count = match row.level {
            Level::Full => &mut counts.full,
            Level::Partial(_) => &mut counts.partial,
            Level::Missing => &mut counts.missing,
        };
        *count = count.saturating_add(1);
    }
    let listed = UNIMPLEMENTED
        .iter()
        .filter(|(number, ..)| *number < I386_BASE)
        .count();
    counts.missing = counts.missing.saturating_add(listed);
    counts
}

/// Writes the page as Markdown.
///
/// # Errors
/// What `out` says; the page itself cannot fail.
pub fn write_page(out: &mut impl Write) -> fmt::Result {
    let Counts {
        full,
        partial,
        missing,
    } = counts();
    out.write_str(HEAD)?;
    writeln!(
        out,
        "\n{full} calls are full, {partial} partial, {missing} missing.\n"
    )?;
    out.write_str("| number | call | level | blocks | left out |\n|---|---|---|---|---|\n")?;
    for row in SYSCALLS {
        write_row(out, row)?;
    }
    write_programs(out)?;
    out.write_str("\n## Missing\n\n")?;
    write_names(out, |number| number < I386_BASE)?;
    out.write_str("\n## Missing forms of 32-bit programs\n\n")?;
    write_names(out, |number| (I386_BASE..PRIVATE_BASE).contains(&number))
}

/// Writes which calls well-known programs make, and what they have to do without.
fn write_programs(out: &mut impl Write) -> fmt::Result {
    out.write_str(PROGRAMS_HEAD)?;
    for (program, calls) in PROGRAMS {
        write!(out, "| {program} | {} |", calls.len())?;
        write_chosen(out, calls, |level| matches!(level, Some(Level::Partial(_))))?;
        write_chosen(out, calls, |level| level.is_none())?;
        out.write_str("\n")?;
    }
    out.write_str("\n| not there | what its callers do without |\n|---|---|\n")?;
    for (call, limit) in LIMITS {
        writeln!(out, "| `{call}` | {limit} |")?;
    }
    Ok(())
}

/// Writes a cell with the calls whose level is wanted; that of a call without a row is `None`.
fn write_chosen(
    out: &mut impl Write,
    calls: &[&str],
    is_wanted: impl Fn(Option<Level>) -> bool,
) -> fmt::Result {
    let is_chosen = |call: &&&str| is_wanted(programs::row_of(call).map(|row| row.level));
    for (index, call) in calls.iter().filter(is_chosen).enumerate() {
        let separator = if index == 0 { "" } else { "," };
        write!(out, "{separator} `{call}`")?;
    }
    out.write_str(" |")
}

fn write_row(out: &mut impl Write, row: &SyscallInfo) -> fmt::Result {
    match row.number.checked_sub(I386_BASE) {
        Some(number) => write!(out, "| i386 {number} ")?,
        None => write!(out, "| {} ", row.number)?,
    }
    let (level, note) = match row.level {
        Level::Full => ("full", ""),
        Level::Partial(note) => ("partial", note),
        Level::Missing => ("missing", ""),
    };
    let may_block = if row.may_block { "yes" } else { "" };
    writeln!(
        out,
        "| `{}` ({}) | {level} | {may_block} | {note} |",
        row.name, row.man
    )
}

/// Writes the names of the listed calls whose number is wanted, wrapped at about 110 columns.
fn write_names(out: &mut impl Write, is_wanted: impl Fn(u32) -> bool) -> fmt::Result {
    let mut column = 0_usize;
    for (_, name, _) in UNIMPLEMENTED
        .iter()
        .filter(|(number, ..)| is_wanted(*number))
    {
        if column > 0 {
            let is_full = column.saturating_add(name.len()) > 108;
            out.write_str(if is_full { ",\n" } else { ", " })?;
            column = if is_full { 0 } else { column.saturating_add(2) };
        }
        write!(out, "`{name}`")?;
        column = column.saturating_add(name.len()).saturating_add(2);
    }
    out.write_str("\n")
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::String;

    use super::*;

    #[test]
    fn page_names_every_call_once() {
        let mut page = String::new();
        write_page(&mut page).unwrap();
        for row in SYSCALLS {
            let cell = std::format!("| `{}` (", row.name);
            assert_eq!(page.matches(&cell).count(), 1, "{}", row.name);
        }
        assert!(page.contains("| i386 265 | `clock_gettime` (clock_gettime(2)) | full |"));
        let rows = page.split("## What").next().unwrap();
        assert!(rows.lines().all(|line| line.len() < 200));
    }

    #[test]
    fn counts_add_up_to_what_linux_has() {
        let Counts {
            full,
            partial,
            missing,
        } = counts();
        let all = full + partial + missing;
        assert_eq!(all, 335 + (462 - 424 + 1));
    }
}

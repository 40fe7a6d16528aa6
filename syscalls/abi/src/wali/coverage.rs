//! The page that says which calls of `wali` there are (`docs/wali-coverage.md`).

use core::fmt::{self, Write};

use super::{CALLS, Form};
use crate::linux32_number;
use crate::table::{Level, info, name_of};

const HEAD: &str = "\
# Calls of WALI in Shoal

Generated from `syscalls/abi/src/table.rs` and `syscalls/abi/src/wali/rows.rs` by `cargo xtask gen`: do not edit. The
specification of the WebAssembly Linux Interface names 362 calls, those of x86-64 up to number 450. *Full* and *partial* are the
kernel's; a call that is missing answers `ENOSYS`. [ADR 0027](adr/0027-wali-by-translation.md) says how they are made.

Of what is no call there are arguments, variables, threads (`__wasm_thread_spawn`), and `setjmp`, `sigsetjmp`, `longjmp` and `siglongjmp` with the names that
libraries have for them ([ADR 0030](adr/0030-longjmp-by-second-entries.md)).
";

/// The numbers of the 362 calls.
fn numbers() -> impl Iterator<Item = u32> {
    (0..=334).chain(424..=450)
}

/// What is known of one call.
struct Entry {
    name: &'static str,
    level: &'static str,
    note: &'static str,
}

fn entry(number: u32) -> Option<Entry> {
    // The first row: a second one is another name for the same call.
    let row = CALLS
        .iter()
        .filter(|row| row.name != "vfork" || number == 58)
        .find(|row| match row.name {
            "vfork" => number == 58,
            // Made of other calls of linux32.
            "nanosleep" => number == 35,
            "getdents" => number == 78,
            "getrlimit" => number == 97,
            "setrlimit" => number == 160,
            "time" => number == 201,
            _ => linux32_number(row.linux32) == Some(number),
        });
    let name = row.map_or_else(|| name_of(number), |row| Some(row.name))?;
    if let Some(Form::Unserved(why)) = row.map(|row| row.form) {
        return Some(Entry {
            name,
            level: "missing",
            note: why,
        });
    }
    let info = row.map_or_else(|| info(number), super::target);
    let (level, note) = match info.map_or(Level::Missing, |info| info.level) {
        Level::Full => ("full", ""),
        Level::Partial(note) => ("partial", note),
        Level::Missing => ("missing", ""),
    };
    Some(Entry { name, level, note })
}

/// Writes the page as Markdown.
///
/// # Errors
/// What `out` says; the page itself cannot fail.
pub fn write_page(out: &mut impl Write) -> fmt::Result {
    let count = |level: &str| {
        numbers()
            .filter_map(entry)
            .filter(|entry| entry.level == level)
            .count()
    };
    out.write_str(HEAD)?;
    writeln!(
        out,
        "\n{} calls are full, {} partial, {} missing.\n",
        count("full"),
        count("partial"),
        count("missing")
    )?;
    out.write_str("| number | call | level | left out |\n|---|---|---|---|\n")?;
    for number in numbers() {
        if let Some(Entry { name, level, note }) = entry(number)
            && (level != "missing" || !note.is_empty())
        {
            writeln!(out, "| {number} | `{name}` | {level} | {note} |")?;
        }
    }
    out.write_str("\n## Missing, because the kernel lacks them\n\n")?;
    let mut separator = "";
    for entry in numbers().filter_map(entry) {
        if entry.level == "missing" && entry.note.is_empty() {
            write!(out, "{separator}`{}`", entry.name)?;
            separator = ", ";
        }
    }
    out.write_str("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_362_calls_have_x86_64s_names() {
        assert_eq!(numbers().filter_map(entry).count(), 362);
        let name = |number| entry(number).map(|entry| entry.name);
        let names = [
            0, 4, 8, 9, 35, 57, 58, 72, 78, 97, 137, 221, 228, 262, 280, 305,
        ];
        assert_eq!(
            names.map(|number| name(number).unwrap_or("")),
            [
                "read",
                "stat",
                "lseek",
                "mmap",
                "nanosleep",
                "fork",
                "vfork",
                "fcntl",
                "getdents",
                "getrlimit",
                "statfs",
                "fadvise",
                "clock_gettime",
                "newfstatat",
                "utimensat",
                "clock_adjtime"
            ]
        );
        // Names of 32-bit forms end in digits that x86-64's do not have.
        for number in numbers() {
            let name = name(number).unwrap_or("");
            assert!(
                !name.ends_with("time64") && !name.ends_with("_64"),
                "{name}"
            );
        }
    }
}

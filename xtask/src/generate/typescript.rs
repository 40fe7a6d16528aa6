//! `abi.ts`: the constants that the hosts and the SDK share with the kernel.

use std::fmt::{Display, Write as _};

use abi::flags::{file, open};
use abi::{Errno, Signal, special};

const HEAD: &str = "\
// Generated from crate `syscalls-abi` by `cargo xtask gen`: do not edit.
";

/// Appends `export const NAME = VALUE;`.
fn constant(page: &mut String, name: &str, value: impl Display) {
    let _ = writeln!(page, "export const {name} = {value};");
}

/// Appends constants of crate `abi` under their own names.
macro_rules! constants {
    ($page:ident, $title:literal, $module:ident: $($name:ident),* $(,)?) => {
        let _ = writeln!($page, concat!("\n// ", $title, "."));
        $(constant($page, stringify!($name), $module::$name);)*
    };
}

/// The whole file.
pub(super) fn page() -> String {
    let mut page = HEAD.to_owned();
    numbers(&mut page);
    errors(&mut page);
    calls(&mut page);
    page
}

fn numbers(page: &mut String) {
    constants!(page, "What the kernel's `syscall` returns instead of a result", special:
        PENDING, DIE, SIGNAL, RESTART);
    constants!(page, "open(2)", open:
        O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_NONBLOCK, O_DIRECTORY,
        O_NOFOLLOW, O_CLOEXEC);
    constants!(page, "inode(7)", file:
        S_IFMT, S_IFIFO, S_IFCHR, S_IFDIR, S_IFBLK, S_IFREG, S_IFLNK, S_IFSOCK);
    page.push_str("\n// signal(7).\n");
    for signal in (1..=31).flat_map(Signal::new) {
        constant(page, signal.name(), signal.number());
    }
}

fn errors(page: &mut String) {
    page.push_str("\n/** Error numbers by name (errno(3)). */\nexport const Errno = {\n");
    for errno in Errno::ALL {
        let _ = writeln!(page, "\t{}: {},", errno.name(), errno.number());
    }
    page.push_str("} as const;\n");
    page.push_str("\n/** What strerror(3) says, by number. */\n");
    page.push_str("export const errnoText: Readonly<Record<number, string>> = {\n");
    for errno in Errno::ALL {
        let _ = writeln!(page, "\t{}: {:?},", errno.number(), errno.text());
    }
    page.push_str("};\n");
}

fn calls(page: &mut String) {
    page.push_str("\n/** Names of the system calls that the kernel answers, by number. */\n");
    page.push_str("export const syscallNames: Readonly<Record<number, string>> = {\n");
    for row in abi::table::SYSCALLS {
        let _ = writeln!(page, "\t{}: {:?},", row.number, row.name);
    }
    page.push_str("};\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_numbers_of_linux() {
        let page = page();
        for line in [
            "export const O_CREAT = 64;",
            "\tENOENT: 2,",
            "\t59: \"execve\",",
        ] {
            assert!(page.contains(line), "{line}");
        }
    }
}

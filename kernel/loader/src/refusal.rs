//! Why a file is not a program: the text behind `ENOEXEC`.

use std::fmt;

/// A file that cannot be executed, with the reason for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Lower case, without a full stop: "an ELF program for x86-64, ...".
    pub reason: String,
}

impl Refusal {
    /// Refuses for `reason`.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }

    /// Refuses what the engine has found wrong.
    pub(crate) fn invalid(why: &str) -> Self {
        Self::new(format!("an invalid WebAssembly module: {why}"))
    }

    /// Refuses what the parser has found wrong.
    pub(crate) fn malformed(error: &wasmparser::Error) -> Self {
        let message = error.message();
        let at = error.offset();
        if message.starts_with("unexpected end") {
            return Self::new(format!(
                "a truncated WebAssembly module (it ends at byte {at})"
            ));
        }
        Self::invalid(&format!("{message} (at byte {at})"))
    }
}

impl From<wasmparser::Error> for Refusal {
    fn from(error: wasmparser::Error) -> Self {
        Self::malformed(&error)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.reason)
    }
}

impl std::error::Error for Refusal {}

/// Checks the first bytes of a file: `\0asm`, version 1.
///
/// # Errors
/// A [`Refusal`] that names what the file is instead.
pub(crate) fn check_header(bytes: &[u8]) -> Result<(), Refusal> {
    const MAGIC: &[u8] = b"\0asm";
    let version = bytes.get(4..8);
    if bytes.starts_with(MAGIC) {
        return match version {
            Some([1, 0, 0, 0]) => Ok(()),
            Some([_, 0, 1, 0]) => Err(Refusal::new(
                "a WebAssembly component: only core modules can be executed",
            )),
            Some(_) => Err(Refusal::new("a WebAssembly module of an unknown version")),
            None => Err(Refusal::new(
                "a truncated WebAssembly module (it ends in the header)",
            )),
        };
    }
    Err(Refusal::new(match bytes {
        [] => "an empty file".to_owned(),
        [0x7f, b'E', b'L', b'F', ..] => format!(
            "an ELF program for {}: only WebAssembly programs run here",
            elf_machine(bytes)
        ),
        _ if MAGIC.starts_with(bytes) => "a truncated WebAssembly module".to_owned(),
        [b'#', b'!', ..] => "a script whose interpreter was not resolved".to_owned(),
        [b'!', b'<', b'a', b'r', b'c', b'h', b'>', ..] => "an archive of object files".to_owned(),
        _ if looks_like_text(bytes) => "a text file, not a WebAssembly module".to_owned(),
        _ => "not a WebAssembly module".to_owned(),
    }))
}

/// The machine in an ELF header (`e_machine`, in the byte order of `e_ident[EI_DATA]`).
fn elf_machine(bytes: &[u8]) -> String {
    let is_big_endian = bytes.get(5) == Some(&2);
    let Some(&[first, second]) = bytes.get(18..20) else {
        return "an unknown machine".to_owned();
    };
    let order = if is_big_endian {
        u16::from_be_bytes
    } else {
        u16::from_le_bytes
    };
    match order([first, second]) {
        3 => "i386".to_owned(),
        40 => "ARM".to_owned(),
        62 => "x86-64".to_owned(),
        183 => "AArch64".to_owned(),
        243 => "RISC-V".to_owned(),
        other => format!("machine {other}"),
    }
}

/// Whether the head of the file has no control characters but white space.
fn looks_like_text(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .take(256)
        .all(|&byte| byte >= 0x20 && byte != 0x7f || matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(bytes: &[u8]) -> String {
        check_header(bytes).expect_err("a refusal").reason
    }

    #[test]
    fn names_what_the_file_is() {
        assert!(check_header(b"\0asm\x01\0\0\0").is_ok());
        assert_eq!(reason(b""), "an empty file");
        assert!(reason(b"\0as").contains("truncated"));
        assert!(reason(b"\0asm\x01\0").contains("truncated"));
        assert!(reason(b"\0asm\x0d\0\x01\0").contains("component"));
        assert!(reason(b"\0asm\x02\0\0\0").contains("version"));
        assert!(reason(b"int main(void);\n").contains("text"));
        assert!(reason(&[0x80, 0, 1]).contains("not a WebAssembly"));
    }

    #[test]
    fn reads_the_machine_of_an_elf_file() {
        let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
        elf.resize(18, 0);
        elf.extend([62, 0]);
        assert!(reason(&elf).contains("x86-64"));
        assert!(reason(b"\x7fELF").contains("unknown machine"));
    }
}

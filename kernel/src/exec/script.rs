//! The `#!` line of an interpreter script.

use abi::limits::BINPRM_BUF_SIZE;
use abi::{Errno, Result};

/// What a `#!` line names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ScriptLine<'a> {
    /// Path of the interpreter.
    pub(super) interpreter: &'a [u8],
    /// Everything behind it, as one argument.
    pub(super) argument: Option<&'a [u8]>,
}

/// Reads the `#!` line at the start of `head`; `None` when there is none.
///
/// # Errors
/// `ENOEXEC` when the line names no interpreter or its path does not end within [`BINPRM_BUF_SIZE`].
pub(super) fn parse(head: &[u8]) -> Result<Option<ScriptLine<'_>>> {
    let Some(rest) = head.strip_prefix(b"#!") else {
        return Ok(None);
    };
    let end = rest.iter().position(|&byte| byte == b'\n');
    let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or(rest);
    let line = trim(line);
    if line.is_empty() {
        return Err(Errno::ENOEXEC.because("a #! line without an interpreter"));
    }
    let split = line.iter().position(|byte| matches!(byte, b' ' | b'\t'));
    let Some(split) = split else {
        if end.is_none() && head.len() >= BINPRM_BUF_SIZE {
            return Err(Errno::ENOEXEC.because("the interpreter's path is cut off"));
        }
        return Ok(Some(ScriptLine {
            interpreter: line,
            argument: None,
        }));
    };
    let (interpreter, argument) = line.split_at(split);
    let argument = trim(argument);
    Ok(Some(ScriptLine {
        interpreter,
        argument: (!argument.is_empty()).then_some(argument),
    }))
}

/// Without the blanks around it. A carriage return is a part of the name, as in Linux.
fn trim(mut line: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = line {
        line = rest;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_names_its_interpreter() {
        let line = parse(b"#!/bin/sh\necho").unwrap().unwrap();
        assert_eq!(
            line,
            ScriptLine {
                interpreter: b"/bin/sh",
                argument: None
            }
        );
    }

    #[test]
    fn everything_behind_the_interpreter_is_one_argument() {
        let line = parse(b"#! /usr/bin/env  -S a b \n").unwrap().unwrap();
        assert_eq!(line.interpreter, b"/usr/bin/env");
        assert_eq!(line.argument, Some(&b"-S a b"[..]));
    }

    #[test]
    fn a_carriage_return_belongs_to_the_name() {
        let line = parse(b"#! /bin/sh\r\necho").unwrap().unwrap();
        assert_eq!(line.interpreter, b"/bin/sh\r");
    }

    #[test]
    fn no_script_is_no_error() {
        assert_eq!(parse(b"\0asm\x01\0\0\0").unwrap(), None);
    }

    #[test]
    fn an_empty_line_is_refused() {
        assert_eq!(parse(b"#! \t\nls").unwrap_err().errno, Errno::ENOEXEC);
    }
}

//! The output side of the line discipline: `OPOST` processing, and the column for tabs.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "columns wrap by design, tabs are 1 to 8"
)]

use abi::flags::{
    ECHOCTL, IUTF8, OCRNL, OLCUC, ONLCR, ONLRET, ONOCR, OPOST, TAB3, TABDLY, VDISABLE,
};

use super::termios::Termios;

/// Where the cursor is, and what was produced and not yet handed on.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// Processed bytes on their way to the host.
    pub(super) bytes: Vec<u8>,
    column: u32,
    /// The column where the line being edited starts: what an erased tab goes back to.
    line_column: u32,
}

impl Output {
    /// Outputs a byte of a program, or one echoed as it is.
    pub(super) fn put(&mut self, termios: &Termios, byte: u8) {
        if termios.has_output(OPOST) {
            self.process(termios, byte);
        } else {
            self.bytes.push(byte);
        }
    }

    fn process(&mut self, termios: &Termios, byte: u8) {
        match byte {
            b'\n' => {
                if termios.has_output(ONLRET) {
                    self.column = 0;
                }
                if termios.has_output(ONLCR) {
                    (self.column, self.line_column) = (0, 0);
                    self.bytes.extend_from_slice(b"\r\n");
                    return;
                }
                self.line_column = self.column;
            }
            b'\r' => {
                if termios.has_output(ONOCR) && self.column == 0 {
                    return;
                }
                if termios.has_output(OCRNL) {
                    if termios.has_output(ONLRET) {
                        (self.column, self.line_column) = (0, 0);
                    }
                    self.bytes.push(b'\n');
                    return;
                }
                (self.column, self.line_column) = (0, 0);
            }
            b'\t' => {
                let nr_spaces = 8 - (self.column & 7);
                self.column = self.column.wrapping_add(nr_spaces);
                if termios.oflag & TABDLY == TAB3 {
                    self.bytes.extend((0..nr_spaces).map(|_| b' '));
                    return;
                }
            }
            8 => self.column = self.column.saturating_sub(1),
            _ if is_control(byte) => {}
            _ => {
                if !is_continuation(termios, byte) {
                    self.column = self.column.wrapping_add(1);
                }
                if termios.has_output(OLCUC) {
                    self.bytes.push(byte.to_ascii_uppercase());
                    return;
                }
            }
        }
        self.bytes.push(byte);
    }

    /// Echoes an input byte: control characters but tab as `^X` with `ECHOCTL`.
    pub(super) fn echo(&mut self, termios: &Termios, byte: u8) {
        if termios.has_local(ECHOCTL) && is_control(byte) && byte != b'\t' {
            self.bytes.extend_from_slice(&[b'^', byte ^ 0o100]);
            self.column = self.column.wrapping_add(2);
        } else {
            self.put(termios, byte);
        }
    }

    /// Echoes a special character of the settings, if it is on.
    pub(super) fn echo_cc(&mut self, termios: &Termios, which: usize) {
        let byte = termios.cc(which);
        if byte != VDISABLE {
            self.echo(termios, byte);
        }
    }

    /// Erases the cell before the cursor.
    pub(super) fn rub_out(&mut self, termios: &Termios) {
        for byte in *b"\x08 \x08" {
            self.put(termios, byte);
        }
    }

    /// Goes back over a tab after `nr_chars` cells, counted from the tab before it or, if there is
    /// none, from the start of the line.
    pub(super) fn rub_out_tab(&mut self, nr_chars: u32, follows: Follows) {
        let start = match follows {
            Follows::Tab => 0,
            Follows::LineStart => self.line_column,
        };
        for _ in 0..8 - (nr_chars.wrapping_add(start) & 7) {
            self.bytes.push(8);
            self.column = self.column.saturating_sub(1);
        }
    }

    /// Remembers that the line being edited starts at the cursor.
    pub(super) const fn mark_line_start(&mut self) {
        self.line_column = self.column;
    }

    /// Takes back the column of a byte that shares its cell with the one before.
    pub(super) const fn move_back(&mut self) {
        self.column = self.column.saturating_sub(1);
    }
}

/// What the cells before an erased tab start at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follows {
    Tab,
    LineStart,
}

/// Whether a byte is a control character, of ASCII.
pub(super) const fn is_control(byte: u8) -> bool {
    byte.is_ascii_control()
}

/// Whether a byte is inside a UTF-8 character.
pub(super) const fn is_continuation(termios: &Termios, byte: u8) -> bool {
    termios.has_input(IUTF8) && byte & 0xc0 == 0x80
}

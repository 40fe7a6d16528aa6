//! The input side of the line discipline `N_TTY`: lines with editing, or raw bytes.
//!
//! ```text
//!            typed byte
//!   parity, case ─> flow control ─> signal ─> CR/NL ─> [ICANON] erase, kill, literal next,
//!                                                       reprint, end of line, end of file
//!                                                    ─> echo ─> buffer
//! ```
//!
//! The buffer holds finished lines and, behind them, the line being edited. It is a state machine
//! over bytes: no locks, no waiting, no clock. What has to happen outside comes back as
//! [`Effects`]. Reference: termios(3); Linux v6.12 drivers/tty/n_tty.c.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "positions count bytes of one terminal in 64 bits; lengths are below the capacity"
)]

use std::collections::VecDeque;

use abi::Signal;
use abi::flags::{
    ECHO, ECHOCTL, ECHOE, ECHOK, ECHOKE, ECHONL, ECHOPRT, ICANON, ICRNL, IEXTEN, IGNCR, INLCR,
    ISIG, ISTRIP, IUCLC, IXANY, IXON, NOFLSH, PARMRK, VEOF, VEOL, VEOL2, VERASE, VINTR, VKILL,
    VLNEXT, VQUIT, VREPRINT, VSTART, VSTOP, VSUSP, VWERASE,
};
use abi::limits::N_TTY_BUF_SIZE;
use fs::io::{Sink, Stall, Try};

use super::output::{Follows, Output, is_continuation, is_control};
use super::termios::Termios;

/// Bytes that the buffer holds; the last one is kept for the end of a line.
const CAPACITY: usize = N_TTY_BUF_SIZE;

/// What a typed byte asks of the terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Effects {
    /// To the foreground process group.
    pub(super) signal: Option<Signal>,
    /// Output stops (`true`) or goes on.
    pub(super) stop_output: Option<bool>,
    /// What was written and not yet shown is dropped.
    pub(super) flushes_output: bool,
    /// Something became readable.
    pub(super) wakes_readers: bool,
}

/// The input buffer of a terminal.
#[derive(Debug, Default)]
pub(super) struct LineDiscipline {
    bytes: VecDeque<u8>,
    /// Position of the first byte of `bytes`: how many were read so far.
    read_position: u64,
    /// Positions where finished lines end, ascending; used with `ICANON` only. A line without
    /// bytes is an end of file.
    lines: VecDeque<u64>,
    /// The next byte is taken as it is (`LNEXT`).
    is_literal: bool,
    /// `ECHOPRT` has opened a `\`.
    is_erasing: bool,
}

impl LineDiscipline {
    /// Bytes that a read could have, as `FIONREAD` counts them.
    pub(super) fn nr_readable(&self, termios: &Termios) -> usize {
        if termios.has_local(ICANON) {
            self.bytes.len() - self.nr_edited()
        } else {
            self.bytes.len()
        }
    }

    /// Whether a read has a result now: a line, an end of file, or `least` raw bytes.
    pub(super) fn is_readable(&self, termios: &Termios, least: usize) -> bool {
        if termios.has_local(ICANON) {
            !self.lines.is_empty()
        } else {
            self.bytes.len() >= least.max(1)
        }
    }

    /// Whether another byte is taken: no, when finished lines fill the buffer.
    pub(super) fn has_room(&self, termios: &Termios) -> bool {
        // A line that fills the buffer alone takes its end, and overwrites its last byte until
        // then. Ends of file have no bytes, and are kept nevertheless.
        (self.bytes.len() < CAPACITY - 1 && self.lines.len() < CAPACITY)
            || (termios.has_local(ICANON) && self.lines.is_empty())
    }

    /// How many more bytes are taken for sure.
    pub(super) fn room(&self, termios: &Termios) -> usize {
        let room = (CAPACITY - 1).saturating_sub(self.bytes.len());
        let room = room.min(CAPACITY.saturating_sub(self.lines.len()));
        room.max(usize::from(self.has_room(termios)))
    }

    /// Drops everything that was typed.
    pub(super) fn flush(&mut self) {
        *self = Self {
            read_position: self.read_position,
            ..Self::default()
        };
    }

    /// Adapts to new settings: what was typed stays readable when `ICANON` changes.
    pub(super) fn settings_changed(&mut self, old: &Termios, new: &Termios) {
        if (old.lflag ^ new.lflag) & ICANON == 0 {
            return;
        }
        self.lines.clear();
        self.is_literal = false;
        self.is_erasing = false;
        if new.has_local(ICANON) && !self.bytes.is_empty() {
            self.end_line();
        }
    }

    /// Moves a line, or what is there of it, or raw bytes to `sink`.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is readable, and what the sink says.
    pub(super) fn try_read(&mut self, termios: &Termios, sink: &mut dyn Sink) -> Try<usize> {
        if termios.has_local(ICANON) {
            let Some(&end) = self.lines.front() else {
                return Err(Stall::WouldBlock);
            };
            let left = usize::try_from(end.wrapping_sub(self.read_position));
            let moved = self.pop_into(left.unwrap_or(0), sink)?;
            if self.read_position == end {
                self.lines.pop_front();
            }
            return Ok(moved);
        }
        if self.bytes.is_empty() {
            return Err(Stall::WouldBlock);
        }
        self.pop_into(usize::MAX, sink)
    }

    fn pop_into(&mut self, limit: usize, sink: &mut dyn Sink) -> Try<usize> {
        let wanted = limit.min(self.bytes.len()).min(sink.remaining());
        let (first, second) = self.bytes.as_slices();
        let first = first.get(..wanted).unwrap_or(first);
        let second = second.get(..wanted - first.len()).unwrap_or_default();
        for piece in [first, second] {
            if !piece.is_empty() {
                sink.put(piece)?;
            }
        }
        self.bytes.drain(..wanted);
        self.read_position += widen(wanted);
        Ok(wanted)
    }

    /// Takes a typed byte; echoes go to `output`.
    pub(super) fn input(&mut self, termios: &Termios, byte: u8, output: &mut Output) -> Effects {
        let mut effects = Effects::default();
        let mut byte = byte;
        if termios.has_input(ISTRIP) {
            byte &= 0x7f;
        }
        if termios.has_input(IUCLC) && termios.has_local(IEXTEN) {
            byte.make_ascii_lowercase();
        }
        if std::mem::take(&mut self.is_literal) {
            self.store(termios, byte, output, &mut effects);
            return effects;
        }
        if termios.has_input(IXON) {
            if termios.is_cc(VSTART, byte) {
                effects.stop_output = Some(false);
                return effects;
            }
            if termios.is_cc(VSTOP, byte) {
                effects.stop_output = Some(true);
                return effects;
            }
        }
        if let Some(signal) = signal_of(termios, byte) {
            if !termios.has_local(NOFLSH) {
                self.flush();
                output.bytes.clear();
                effects.flushes_output = true;
            }
            if termios.has_input(IXON) {
                effects.stop_output = Some(false);
            }
            effects.signal = Some(signal);
            if termios.has_local(ECHO) {
                output.echo(termios, byte);
            }
            return effects;
        }
        if termios.has_input(IXON) && termios.has_input(IXANY) {
            effects.stop_output = Some(false);
        }
        match byte {
            b'\r' if termios.has_input(IGNCR) => return effects,
            b'\r' if termios.has_input(ICRNL) => {
                if !termios.has_local(ICANON) {
                    self.store_raw_newline(termios, output, &mut effects);
                    return effects;
                }
                byte = b'\n';
            }
            b'\n' if termios.has_input(INLCR) => byte = b'\r',
            _ => {}
        }
        if !termios.has_local(ICANON) || !self.edit(termios, byte, output, &mut effects) {
            self.store(termios, byte, output, &mut effects);
        }
        effects
    }

    /// Handles what is special in a line; says whether `byte` was.
    fn edit(
        &mut self,
        termios: &Termios,
        byte: u8,
        output: &mut Output,
        effects: &mut Effects,
    ) -> bool {
        let has_extensions = termios.has_local(IEXTEN);
        let has_echo = termios.has_local(ECHO);
        let is = |which| termios.is_cc(which, byte);
        if is(VERASE) {
            self.erase(termios, Extent::Character, output);
        } else if is(VKILL) {
            self.kill(termios, output);
        } else if has_extensions && is(VWERASE) {
            self.erase(termios, Extent::Word, output);
        } else if has_extensions && is(VLNEXT) {
            self.is_literal = true;
            if has_echo {
                self.finish_erasing(termios, output);
                if termios.has_local(ECHOCTL) {
                    output.put(termios, b'^');
                    output.put(termios, 8);
                }
            }
        } else if has_extensions && has_echo && is(VREPRINT) {
            self.finish_erasing(termios, output);
            output.echo(termios, byte);
            output.put(termios, b'\n');
            let nr_finished = self.bytes.len() - self.nr_edited();
            for &typed in self.bytes.iter().skip(nr_finished) {
                output.echo(termios, typed);
            }
        } else if byte == b'\n' {
            if has_echo || termios.has_local(ECHONL) {
                output.put(termios, b'\n');
            }
            self.finish_line(Some(byte), effects);
        } else if is(VEOF) {
            self.finish_line(None, effects);
        } else if is(VEOL) || (has_extensions && is(VEOL2)) {
            if has_echo {
                if self.nr_edited() == 0 {
                    output.mark_line_start();
                }
                output.echo(termios, byte);
            }
            self.finish_line(Some(byte), effects);
        } else {
            return false;
        }
        true
    }

    /// Echoes and keeps an ordinary byte.
    fn store(&mut self, termios: &Termios, byte: u8, output: &mut Output, effects: &mut Effects) {
        if termios.has_local(ECHO) {
            self.finish_erasing(termios, output);
            if self.nr_edited() == 0 {
                output.mark_line_start();
            }
            output.echo(termios, byte);
        }
        if byte == 0xff && termios.has_input(PARMRK) {
            // Alone it would begin a mark of a parity error, of which there is none.
            self.keep(termios, byte, effects);
        }
        self.keep(termios, byte, effects);
    }

    /// A CR that became NL, without `ICANON`: it moves the cursor instead of echoing as `^J`.
    fn store_raw_newline(&mut self, termios: &Termios, output: &mut Output, effects: &mut Effects) {
        if termios.has_local(ECHO) {
            self.finish_erasing(termios, output);
            output.put(termios, b'\n');
        }
        self.keep(termios, b'\n', effects);
    }

    fn keep(&mut self, termios: &Termios, byte: u8, effects: &mut Effects) {
        if self.bytes.len() >= CAPACITY - 1 {
            self.bytes.pop_back();
        }
        self.bytes.push_back(byte);
        effects.wakes_readers = !termios.has_local(ICANON);
    }

    fn finish_line(&mut self, last: Option<u8>, effects: &mut Effects) {
        self.bytes.extend(last);
        self.end_line();
        effects.wakes_readers = true;
    }

    fn end_line(&mut self) {
        self.lines
            .push_back(self.read_position + widen(self.bytes.len()));
    }

    /// Bytes of the line being edited. Without `ICANON` everything is.
    fn nr_edited(&self) -> usize {
        let start = self.lines.back().copied().unwrap_or(self.read_position);
        let finished = usize::try_from(start - self.read_position).unwrap_or(usize::MAX);
        self.bytes.len().saturating_sub(finished)
    }

    fn kill(&mut self, termios: &Termios, output: &mut Output) {
        let nr_edited = self.nr_edited();
        if nr_edited == 0 {
            return;
        }
        let erases = [ECHO, ECHOE, ECHOK, ECHOKE]
            .iter()
            .all(|&flag| termios.has_local(flag));
        if erases {
            self.erase(termios, Extent::Line, output);
            return;
        }
        self.bytes.truncate(self.bytes.len() - nr_edited);
        if termios.has_local(ECHO) {
            self.finish_erasing(termios, output);
            output.echo_cc(termios, VKILL);
            if termios.has_local(ECHOK) {
                output.put(termios, b'\n');
            }
        }
    }

    /// Takes characters off the end of the line being edited, and off the screen.
    fn erase(&mut self, termios: &Termios, extent: Extent, output: &mut Output) {
        let mut has_seen_word = false;
        let mut nr_edited = self.nr_edited();
        if nr_edited == 0 {
            return;
        }
        while nr_edited > 0 {
            let Some(length) = self.length_of_last(termios, nr_edited) else {
                break;
            };
            let start = self.bytes.len() - length;
            let first = self.bytes.get(start).copied().unwrap_or_default();
            if extent == Extent::Word {
                if is_word(first) {
                    has_seen_word = true;
                } else if has_seen_word {
                    break;
                }
            }
            let removed = self.bytes.split_off(start);
            nr_edited -= length;
            if termios.has_local(ECHO) {
                self.rub_out(termios, extent, &removed, nr_edited, output);
            }
            if extent == Extent::Character {
                break;
            }
        }
        if nr_edited == 0 && termios.has_local(ECHO) {
            self.finish_erasing(termios, output);
        }
    }

    /// Bytes of the last character of the line; `None` when it is only the inside of one.
    fn length_of_last(&self, termios: &Termios, nr_edited: usize) -> Option<usize> {
        let edited = self.bytes.iter().rev().take(nr_edited);
        let nr_inside = edited
            .take_while(|&&byte| is_continuation(termios, byte))
            .count();
        (nr_inside < nr_edited).then_some(nr_inside + 1)
    }

    fn rub_out(
        &mut self,
        termios: &Termios,
        extent: Extent,
        removed: &VecDeque<u8>,
        nr_edited: usize,
        output: &mut Output,
    ) {
        let first = removed.front().copied().unwrap_or_default();
        if termios.has_local(ECHOPRT) {
            if !std::mem::replace(&mut self.is_erasing, true) {
                output.put(termios, b'\\');
            }
            output.echo(termios, first);
            for &byte in removed.iter().skip(1) {
                output.put(termios, byte);
                output.move_back();
            }
        } else if extent == Extent::Character && !termios.has_local(ECHOE) {
            output.echo_cc(termios, VERASE);
        } else if first == b'\t' {
            let mut nr_chars = 0;
            let mut follows = Follows::LineStart;
            for &byte in self.bytes.iter().rev().take(nr_edited) {
                if byte == b'\t' {
                    follows = Follows::Tab;
                    break;
                }
                if is_control(byte) {
                    nr_chars += if termios.has_local(ECHOCTL) { 2 } else { 0 };
                } else if !is_continuation(termios, byte) {
                    nr_chars += 1;
                }
            }
            output.rub_out_tab(nr_chars, follows);
        } else {
            if is_control(first) && termios.has_local(ECHOCTL) {
                output.rub_out(termios);
            }
            if !is_control(first) || termios.has_local(ECHOCTL) {
                output.rub_out(termios);
            }
        }
    }

    fn finish_erasing(&mut self, termios: &Termios, output: &mut Output) {
        if std::mem::take(&mut self.is_erasing) {
            output.put(termios, b'/');
        }
    }
}

/// How much is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    Character,
    Word,
    Line,
}

/// The signal that a byte sends with these settings.
fn signal_of(termios: &Termios, byte: u8) -> Option<Signal> {
    if !termios.has_local(ISIG) {
        return None;
    }
    let signals = [
        (VINTR, Signal::SIGINT),
        (VQUIT, Signal::SIGQUIT),
        (VSUSP, Signal::SIGTSTP),
    ];
    signals
        .into_iter()
        .find(|&(which, _)| termios.is_cc(which, byte))
        .map(|(_, signal)| signal)
}

/// Whether a byte belongs to a word; as in Linux, letters of Latin-1 do, and so do the first
/// bytes of most UTF-8 characters.
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || (byte >= 0xc0 && byte != 0xd7 && byte != 0xf7)
}

/// `usize` is never wider than 64 bits.
fn widen(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

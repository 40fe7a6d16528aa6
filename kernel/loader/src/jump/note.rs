//! What the translation of WALI tells the pass for longjmp, which is in another module of WebAssembly:
//! words at the end of the program, in a section that engines ignore.

use wasm_encoder::CustomSection;

use super::{Parts, Seams};

/// The section's name, and its last bytes.
const NAME: &str = "shoal.setjmp";

/// Whether a translated program has a note. One that says so falsely is refused.
pub(crate) fn is_in(program: &[u8]) -> bool {
    program.ends_with(NAME.as_bytes())
}

/// The section with the note of `parts`, which must be the last one.
pub(crate) fn section(parts: &Parts) -> CustomSection<'static> {
    let Seams {
        tag,
        marks,
        stack_pointer,
        is_legacy,
    } = parts.seams;
    let mut words = parts.setjmps.clone();
    words.extend([parts.own.start, parts.own.end]);
    words.extend([tag, marks, stack_pointer, u32::from(is_legacy)]);
    words.push(u32::try_from(words.len()).unwrap_or(0));
    let mut data: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    data.extend(NAME.as_bytes());
    CustomSection {
        name: NAME.into(),
        data: data.into(),
    }
}

/// The parts that the note of a program tells.
pub(super) fn read(program: &[u8]) -> Option<Parts> {
    let (mut rest, len) = last_word(program.strip_suffix(NAME.as_bytes())?)?;
    let mut words = Vec::new();
    for _ in 0..len {
        let word;
        (rest, word) = last_word(rest)?;
        words.push(word);
    }
    // The last one first.
    let (&[is_legacy, stack_pointer, marks, tag, end, start], setjmps) =
        words.split_first_chunk()?;
    Some(Parts {
        seams: Seams {
            tag,
            marks,
            stack_pointer,
            is_legacy: is_legacy != 0,
        },
        own: start..end,
        setjmps: setjmps.iter().rev().copied().collect(),
    })
}

fn last_word(bytes: &[u8]) -> Option<(&[u8], u32)> {
    let (rest, word) = bytes.split_last_chunk()?;
    Some((rest, u32::from_le_bytes(*word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let parts = Parts {
            seams: Seams {
                tag: 1,
                marks: 2,
                stack_pointer: 3,
                is_legacy: true,
            },
            own: 7..9,
            setjmps: vec![5, 70_000],
        };
        let mut module = wasm_encoder::Module::new();
        module.section(&section(&parts));
        let bytes = module.finish();
        assert!(is_in(&bytes));
        assert_eq!(read(&bytes), Some(parts));
    }

    #[test]
    fn what_is_no_note_is_none() {
        let mut lying = u32::MAX.to_le_bytes().to_vec();
        lying.extend(NAME.as_bytes());
        for bytes in [&b""[..], b"shoal.setjmp", b"\x03\0\0\0shoal.setjmp", &lying] {
            assert_eq!(read(bytes), None);
        }
    }
}

//! A module as a list of sections, which may be wrong in any way.

use super::Random;

/// Encodings of numbers that programs get wrong: the largest, too large, too long, of the other sign.
const NUMBERS: [&[u8]; 12] = [
    b"\x00",
    b"\x7f",
    b"\xff\xff\xff\xff\x0f",
    b"\xff\xff\xff\xff\x07",
    b"\x80\x80\x80\x80\x08",
    b"\x80\x80\x80\x80\x78",
    b"\xff\xff\xff\xff\x7f",
    b"\x80\x80\x00",
    b"\x80\x80\x80\x80\x80\x00",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x80\x80\x04",
    b"\xff\xff\x03",
];

/// Custom sections that tools write and the loader or an engine reads.
const CUSTOM: [&[u8]; 5] = [
    b"\x04name",
    b"\x19metadata.code.branch_hint",
    b"\x09producers",
    b"\x0ftarget_features",
    b"\x08dylink.0",
];

/// A section: its id and its contents.
pub(crate) type Section = (u8, Vec<u8>);

/// Appends `number` as LEB128.
pub(crate) fn write_number(out: &mut Vec<u8>, number: usize) {
    let mut rest = number;
    loop {
        let low = u8::try_from(rest & 0x7f).unwrap_or_default();
        rest >>= 7;
        if rest == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

/// Reads a LEB128 number at the head of `bytes`: it, and its length.
pub(crate) fn read_number(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut number = 0_usize;
    for (index, &byte) in bytes.iter().take(5).enumerate() {
        number |= usize::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Some((number, index + 1));
        }
    }
    None
}

/// Takes `module` apart, as far as it can be read.
pub(crate) fn take_apart(module: &[u8]) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut rest = module.get(8..).unwrap_or_default();
    while let Some((&id, behind)) = rest.split_first() {
        let Some((len, of_number)) = read_number(behind) else {
            break;
        };
        let Some(contents) = behind.get(of_number..of_number + len) else {
            break;
        };
        sections.push((id, contents.to_vec()));
        rest = &behind[of_number + len..];
    }
    sections
}

/// Puts sections together, with their lengths right.
pub(crate) fn put_together(sections: &[Section]) -> Vec<u8> {
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    for (id, contents) in sections {
        module.push(*id);
        write_number(&mut module, contents.len());
        module.extend(contents);
    }
    module
}

/// Changes a few bytes of `bytes`.
pub(crate) fn change_bytes(random: &mut Random<'_>, bytes: &mut Vec<u8>) {
    for _ in 0..=random(3) {
        if bytes.is_empty() {
            return;
        }
        let at = random(bytes.len());
        let any = u8::try_from(random(256)).unwrap_or_default();
        match random(8) {
            0 => bytes[at] = any,
            1 => bytes[at] ^= 1 << random(8),
            2 => bytes[at] = any & 0x1f,
            3 => drop(bytes.remove(at)),
            4 => bytes.insert(at, any),
            5 => drop(bytes.splice(at..=at, NUMBERS[random(NUMBERS.len())].iter().copied())),
            6 => {
                let len = random(64).min(bytes.len() - at);
                let run = bytes[at..at + len].to_vec();
                let to = random(bytes.len());
                drop(bytes.splice(to..to, run));
            }
            _ => bytes.truncate(at.max(bytes.len() - bytes.len() / (1 + random(20)))),
        }
    }
}

/// Changes which sections there are, in which order, and what is in them; `other` has some to give.
pub(crate) fn change(random: &mut Random<'_>, module: &[u8], other: &[u8]) -> Vec<u8> {
    let mut sections = take_apart(module);
    for _ in 0..=random(2) {
        if sections.is_empty() {
            break;
        }
        let at = random(sections.len());
        match random(8) {
            0 => {
                let second = random(sections.len());
                sections.swap(at, second);
            }
            1 => drop(sections.remove(at)),
            2 => {
                let again = sections[at].clone();
                sections.insert(random(sections.len() + 1), again);
            }
            3 => {
                let theirs = take_apart(other);
                if !theirs.is_empty() {
                    let theirs = theirs[random(theirs.len())].clone();
                    match sections.iter().position(|(id, _)| *id == theirs.0) {
                        Some(ours) => sections[ours] = theirs,
                        None => sections.insert(at, theirs),
                    }
                }
            }
            4 => {
                let mut custom = CUSTOM[random(CUSTOM.len())].to_vec();
                let len = random(40);
                custom.extend((0..len).map(|_| u8::try_from(random(8)).unwrap_or_default()));
                sections.insert(random(sections.len() + 1), (0, custom));
            }
            // The number of its entries.
            5 => {
                if let Some((number, len)) = read_number(&sections[at].1) {
                    let mut head = Vec::new();
                    let odd = [0, number + 1, number.saturating_sub(1), 0x7fff_ffff, 50_000];
                    write_number(&mut head, odd[random(odd.len())]);
                    drop(sections[at].1.splice(..len, head));
                }
            }
            _ => change_bytes(random, &mut sections[at].1),
        }
    }
    let mut module = put_together(&sections);
    if random(6) == 0 {
        change_bytes(random, &mut module);
    }
    module
}

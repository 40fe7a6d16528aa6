//! Changes of a module's code and names that leave it valid, most of the time.

use wasmparser::{BinaryReader, FunctionBody};

use super::Random;
use super::sections::{put_together, read_number, take_apart, write_number};

/// The id of the section of code, and those of imports and exports.
const CODE: u8 = 10;
const IMPORTS: u8 = 2;
const EXPORTS: u8 = 7;

/// Instructions that take nothing and leave nothing, whatever is before and behind; the letters
/// in comments are theirs.
const NEUTRAL: [&[u8]; 22] = [
    // nop
    b"\x01",
    // block end, loop end
    b"\x02\x40\x0b",
    b"\x03\x40\x0b",
    // loop that goes around while 0
    b"\x03\x40\x41\x00\x0d\x00\x0b",
    // if else end
    b"\x41\x01\x04\x40\x01\x05\x01\x0b",
    // memory.size drop; memory.grow drop
    b"\x3f\x00\x1a",
    b"\x41\x01\x40\x00\x1a",
    // unreachable, in a block that is not entered
    b"\x41\x00\x04\x40\x00\x0b",
    // return, in the same; with whatever is on the stack
    b"\x41\x00\x04\x40\x02\x40\x0c\x00\x0b\x0b",
    // br_table out of blocks
    b"\x02\x40\x02\x40\x41\x03\x0e\x02\x00\x01\x00\x0b\x0b",
    // call 0, ref.func 0 drop, return_call 0, throw 0: if they have no operands
    b"\x10\x00",
    b"\xd2\x00\x1a",
    b"\x02\x40\x12\x00\x0b",
    b"\x02\x40\x08\x00\x0b",
    // call 0 drop
    b"\x10\x00\x1a",
    // call_indirect of type 0, in table 0
    b"\x41\x01\x11\x00\x00",
    // table.size drop; table.set with null, of table 0
    b"\xfc\x10\x00\x1a",
    b"\x41\x00\xd0\x70\x26\x00",
    // try catch_all end; the old form
    b"\x06\x40\x19\x0b",
    // try_table with catch_all
    b"\x02\x40\x1f\x40\x01\x02\x00\x0b\x0b",
    // memory.copy, memory.fill
    b"\x41\x00\x41\x00\x41\x00\xfc\x0a\x00\x00",
    // atomic.fence, memory.atomic.notify drop
    b"\x41\x00\x41\x00\xfe\x00\x02\x00\x1a",
];

/// Imports and exports that mean something to the loader.
const NAMES: [&str; 14] = [
    "__syscall_fork",
    "__syscall_read",
    "__syscall_exit",
    "__syscall_vfork",
    "__syscall_clone",
    "__syscall_syscall",
    "fd_read",
    "proc_exit",
    "memory",
    "_start",
    "_initialize",
    "__stack_pointer",
    "__wasm_thread_start",
    "__indirect_function_table",
];

/// Changes a few functions, at times a name.
pub(crate) fn change(random: &mut Random<'_>, module: &[u8]) -> Vec<u8> {
    let mut sections = take_apart(module);
    let wanted = if random(6) == 0 {
        [IMPORTS, EXPORTS][random(2)]
    } else {
        CODE
    };
    let Some((_, contents)) = sections.iter_mut().find(|(id, _)| *id == wanted) else {
        return module.to_vec();
    };
    let changed = if wanted == CODE {
        change_functions(random, contents)
    } else {
        change_name(random, contents)
    };
    if let Some(changed) = changed {
        *contents = changed;
    }
    put_together(&sections)
}

/// Puts instructions between those of a few functions, or exchanges two functions.
fn change_functions(random: &mut Random<'_>, contents: &[u8]) -> Option<Vec<u8>> {
    let (count, len) = read_number(contents)?;
    let mut rest = contents.get(len..)?;
    let mut bodies = Vec::new();
    for _ in 0..count {
        let (len, of_number) = read_number(rest)?;
        bodies.push(rest.get(of_number..of_number + len)?.to_vec());
        rest = &rest[of_number + len..];
    }
    if bodies.is_empty() {
        return None;
    }
    for _ in 0..=random(4) {
        let at = random(bodies.len());
        if random(12) == 0 {
            let second = random(bodies.len());
            bodies.swap(at, second);
            continue;
        }
        let places = places_of(&bodies[at]);
        if places.is_empty() {
            continue;
        }
        let place = places[random(places.len())];
        match random(12) {
            0 => super::sections::change_bytes(random, &mut bodies[at]),
            // Without an instruction.
            1 => {
                let next = places.iter().find(|&&next| next > place);
                let end = next.copied().unwrap_or(place);
                drop(bodies[at].drain(place..end));
            }
            _ => {
                let neutral = NEUTRAL[random(NEUTRAL.len())];
                drop(bodies[at].splice(place..place, neutral.iter().copied()));
            }
        }
    }
    let mut out = Vec::new();
    write_number(&mut out, bodies.len());
    for body in bodies {
        write_number(&mut out, body.len());
        out.extend(body);
    }
    Some(out)
}

/// Where the instructions of a function begin.
fn places_of(body: &[u8]) -> Vec<usize> {
    let body = FunctionBody::new(BinaryReader::new(body, 0));
    let Ok(mut operators) = body.get_operators_reader() else {
        return Vec::new();
    };
    let mut places = Vec::new();
    while !operators.eof() {
        places.push(operators.original_position());
        if operators.read().is_err() {
            break;
        }
    }
    places
        .into_iter()
        .filter_map(|place| usize::try_from(place).ok())
        .collect()
}

/// Puts another name in the place of one.
fn change_name(random: &mut Random<'_>, contents: &[u8]) -> Option<Vec<u8>> {
    let is_name = |at: usize| {
        let (len, of_number) = read_number(contents.get(at..)?)?;
        let name = contents.get(at + of_number..at + of_number + len)?;
        let is_text = len > 2 && name.iter().all(u8::is_ascii_graphic);
        is_text.then_some(at..at + of_number + len)
    };
    let names: Vec<_> = (1..contents.len()).filter_map(is_name).collect();
    if names.is_empty() {
        return None;
    }
    let place = names[random(names.len())].clone();
    let name = NAMES[random(NAMES.len())];
    let mut out = contents.to_vec();
    let mut bytes = Vec::new();
    write_number(&mut bytes, name.len());
    bytes.extend(name.as_bytes());
    drop(out.splice(place, bytes));
    Some(out)
}

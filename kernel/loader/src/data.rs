//! Where a module's data segments go: what its memory holds before its first instruction.

use std::ops::Range;

use wasmparser::{DataKind, Parser, Payload};

use crate::instruction::Code;

/// Address of each active segment of memory 0, and where its bytes are in `module`.
///
/// Segments whose address is computed are left out, and so is all that cannot be read: whoever
/// asks has to do without.
pub fn data_segments(module: &[u8]) -> Vec<(u32, Range<usize>)> {
    let mut segments = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        let Ok(Payload::DataSection(section)) = payload else {
            continue;
        };
        for data in section.into_iter().flatten() {
            let DataKind::Active {
                memory_index: 0,
                offset_expr,
            } = data.kind
            else {
                continue;
            };
            if let Some(address) = Code::of_constant(&offset_expr).constant() {
                let end = usize::try_from(data.range.end).unwrap_or(usize::MAX);
                let bytes = end.saturating_sub(data.data.len())..end;
                segments.push((address, bytes));
            }
        }
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn active_segments_are_found_with_their_bytes() {
        let module = wat::parse_str(
            r#"(module (memory 1) (global $g i32 (i32.const 8))
                (data (i32.const 1024) "first") (data "passive")
                (data (i32.const -65536) "high"))"#,
        )
        .unwrap();
        let segments = data_segments(&module);
        let found: Vec<_> = segments
            .iter()
            .map(|(address, bytes)| (*address, &module[bytes.clone()]))
            .collect();
        assert_eq!(found, [(1024, &b"first"[..]), (0xffff_0000, b"high")]);
    }

    #[test]
    fn what_is_no_module_has_no_segments() {
        assert!(data_segments(b"#!/bin/sh").is_empty());
    }
}

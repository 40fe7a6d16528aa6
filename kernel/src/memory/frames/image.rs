//! What a program's memory holds before its first instruction: its data segments.
//!
//! Pages that a guest has not changed need no storage, because its program has them. Nothing goes
//! wrong if the instance wrote something else (a segment whose place is computed is left out): a
//! page is compared with the same contents when it goes and when it comes back.

use std::ops::Range;

use super::{PAGE_BYTES, Page};

/// The data segments of one program: slices of its module, by address.
#[derive(Debug, Default)]
pub struct InitialImage {
    /// Address, and where the bytes are in the module; ascending, not overlapping.
    segments: Vec<(u32, Range<usize>)>,
}

impl InitialImage {
    /// The image of a module, as the loader has read it. Of segments that overlap, the first is
    /// kept: the other's bytes then count as changed.
    pub fn new(mut segments: Vec<(u32, Range<usize>)>) -> Self {
        segments.sort_by_key(|(address, _)| *address);
        let mut end = 0_u64;
        segments.retain(|(address, bytes)| {
            let start = u64::from(*address);
            let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let is_apart = start >= end && len > 0;
            if is_apart {
                end = start.saturating_add(len);
            }
            is_apart
        });
        Self { segments }
    }

    /// Addresses and contents; `module` is what the image was made of.
    pub(super) fn segments<'a>(
        &'a self,
        module: &'a [u8],
    ) -> impl Iterator<Item = (u32, &'a [u8])> + 'a {
        self.segments
            .iter()
            .filter_map(move |(address, bytes)| Some((*address, module.get(bytes.clone())?)))
    }

    /// The addresses that segments cover, ascending.
    pub(super) fn ranges(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.segments.iter().map(|(address, bytes)| {
            let start = u64::from(*address);
            start..start.saturating_add(u64::try_from(bytes.len()).unwrap_or(0))
        })
    }

    /// Writes the page at `address` into `page`; whether any segment touches it.
    pub(super) fn read_page(&self, module: &[u8], address: u32, page: &mut Page) -> bool {
        page.fill(0);
        let end = u64::from(address).saturating_add(PAGE_BYTES);
        let first = self
            .segments
            .partition_point(|(start, bytes)| end_of(*start, bytes) <= u64::from(address));
        let mut is_touched = false;
        for (start, bytes) in self.segments.get(first..).unwrap_or_default() {
            if u64::from(*start) >= end {
                break;
            }
            let Some(contents) = module.get(bytes.clone()) else {
                continue;
            };
            let skipped = usize::try_from(address.saturating_sub(*start)).unwrap_or(usize::MAX);
            let at = usize::try_from(start.saturating_sub(address)).unwrap_or(usize::MAX);
            let from = contents.get(skipped..).unwrap_or_default();
            let to = page.get_mut(at..).unwrap_or_default();
            for (to, from) in to.iter_mut().zip(from) {
                *to = *from;
            }
            is_touched = true;
        }
        is_touched
    }
}

fn end_of(start: u32, bytes: &Range<usize>) -> u64 {
    u64::from(start).saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_hold_the_parts_of_all_segments_that_touch_them() {
        let module: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        let image = InitialImage::new(vec![(8190, 10..14), (4090, 100..4200), (4092, 0..5)]);
        let mut page = [9; 4096];
        assert!(image.read_page(&module, 0, &mut page));
        assert_eq!(page[4088..4096], [0, 0, 100, 101, 102, 103, 104, 105]);
        assert!(image.read_page(&module, 4096, &mut page));
        assert_eq!(page[..2], [106, 107]);
        assert_eq!(
            page[4093..],
            [103, 10, 11],
            "the end of one, the start of the other"
        );
        assert!(image.read_page(&module, 8192, &mut page));
        assert_eq!(page[..3], [12, 13, 0]);
        assert!(!image.read_page(&module, 12288, &mut page));
        assert_eq!(page, [0; 4096]);
    }
}

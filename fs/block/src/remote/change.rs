//! [`Change`]: what [`super::Transport::change`] hands over, for the other side: a table of which bytes are written and
//! which are not wanted any more, and the bytes.
//!
//! The format is that of `DiskRequest` in `sdk/src/disk/protocol.ts`, too.

/// Bytes of a row.
pub(super) const ROW_BYTES: usize = 16;
/// The kinds of rows.
pub(super) const WRITE: u32 = 0;
pub(super) const DISCARD: u32 = 1;

/// A row as it is in the table.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    /// The first byte of the disk.
    pub(super) offset: u64,
    /// How many.
    pub(super) len: u32,
    /// [`WRITE`] or [`DISCARD`], unless somebody else wrote it.
    pub(super) kind: u32,
}

impl Entry {
    fn from_bytes(bytes: &[u8; ROW_BYTES]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *bytes;
        Self {
            offset: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            len: u32::from_le_bytes([i, j, k, l]),
            kind: u32::from_le_bytes([m, n, o, p]),
        }
    }

    /// Appends it to a table.
    pub(super) fn write_to(self, table: &mut Vec<u8>) {
        table.extend_from_slice(&self.offset.to_le_bytes());
        table.extend_from_slice(&self.len.to_le_bytes());
        table.extend_from_slice(&self.kind.to_le_bytes());
    }
}

/// What a row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row<'a> {
    /// These bytes are stored at this byte.
    Write(u64, &'a [u8]),
    /// Nobody wants these bytes any more: start and length.
    Discard(u64, u64),
}

/// A change whose table and bytes fit each other.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    table: &'a [[u8; ROW_BYTES]],
    contents: &'a [u8],
}

impl<'a> Change<'a> {
    /// The change of `nr_rows` rows in `bytes`; `None` when there are fewer or more bytes than the rows say,
    /// or a row is of no kind.
    pub fn parse(nr_rows: usize, bytes: &'a [u8]) -> Option<Self> {
        let (table, contents) = bytes.split_at_checked(nr_rows.checked_mul(ROW_BYTES)?)?;
        let (table, _) = table.as_chunks::<ROW_BYTES>();
        let mut len = 0_usize;
        for row in table {
            let entry = Entry::from_bytes(row);
            match entry.kind {
                WRITE => len = len.checked_add(usize::try_from(entry.len).ok()?)?,
                DISCARD => {}
                _ => return None,
            }
        }
        (len == contents.len()).then_some(Self { table, contents })
    }

    /// Its rows in order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'a>> + use<'a> {
        let mut rest = self.contents;
        self.table.iter().map(move |row| {
            let Entry { offset, len, kind } = Entry::from_bytes(row);
            if kind != WRITE {
                return Row::Discard(offset, u64::from(len));
            }
            let count = usize::try_from(len).unwrap_or(usize::MAX);
            let (bytes, tail) = rest.split_at(count.min(rest.len()));
            rest = tail;
            Row::Write(offset, bytes)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // By hand: what is written here is the format.
    fn row(offset: u64, count: u32, kind: u32) -> Vec<u8> {
        let mut row = offset.to_le_bytes().to_vec();
        row.extend(count.to_le_bytes());
        row.extend(kind.to_le_bytes());
        row
    }

    #[test]
    fn rows_take_their_bytes_in_order() {
        let offset = 5 << 32;
        let mut bytes = [row(offset, 3, 0), row(512, 1024, 1), row(7, 2, 0)].concat();
        bytes.extend(b"abcde");
        let rows: Vec<Row<'_>> = Change::parse(3, &bytes).unwrap().rows().collect();
        assert_eq!(
            rows,
            [
                Row::Write(offset, b"abc"),
                Row::Discard(512, 1024),
                Row::Write(7, b"de")
            ]
        );
    }

    #[test]
    fn tables_that_lie_are_refused() {
        let mut bytes = [row(0, 3, 0), row(9, 1, 0)].concat();
        bytes.extend(b"abcd");
        assert!(Change::parse(2, &bytes).is_some());
        assert!(Change::parse(1, &bytes).is_none(), "too many bytes");
        assert!(Change::parse(3, &bytes).is_none(), "no such row");
        assert!(Change::parse(usize::MAX, &bytes).is_none());
        assert!(Change::parse(2, &bytes[..35]).is_none(), "too few bytes");
        assert!(
            Change::parse(1, &row(0, 0, 2)).is_none(),
            "no kind of a row"
        );
        let huge = [row(0, u32::MAX, 0), row(0, u32::MAX, 0)].concat();
        assert!(Change::parse(2, &huge).is_none());
    }
}

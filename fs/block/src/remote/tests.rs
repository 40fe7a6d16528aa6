//! A remote disk against a server in memory.

#![expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "test code"
)]

use std::collections::VecDeque;

use super::*;
use crate::{BlockDevice, VecDisk};

/// A request as the other side gets it.
enum Message {
    Read(u64, u64, usize),
    Change(u64, Vec<u8>, u32),
    Flush(u64),
}

/// Requests that were sent; bytes of reads are put into the extents by the test, as a host would.
#[derive(Default)]
struct Wire(VecDeque<Message>);

impl Transport for Wire {
    fn read(&mut self, sequence: u64, offset: u64, bytes: &mut [u8]) {
        self.0
            .push_back(Message::Read(sequence, offset, bytes.len()));
    }

    fn change(&mut self, sequence: u64, nr_rows: u32, bytes: &[u8]) {
        self.0
            .push_back(Message::Change(sequence, bytes.to_vec(), nr_rows));
    }

    fn flush(&mut self, sequence: u64) {
        self.0.push_back(Message::Flush(sequence));
    }
}

/// The other side: a disk, and what it was at the last flush.
struct Server {
    disk: VecDisk,
    durable: Vec<u8>,
}

impl Server {
    fn new(len: usize) -> Self {
        let image: Vec<u8> = (0..len).map(|at| (at / 512 % 251) as u8).collect();
        Self {
            disk: VecDisk::new(image.clone()),
            durable: image,
        }
    }

    fn change(&mut self, bytes: &[u8], nr_rows: u32) {
        for row in Change::parse(nr_rows as usize, bytes).unwrap().rows() {
            match row {
                Row::Write(offset, bytes) => self.disk.write(offset, bytes).unwrap(),
                Row::Discard(offset, len) => {
                    self.disk.write(offset, &vec![0; len as usize]).unwrap();
                }
            }
        }
    }

    /// Performs the oldest request of `remote`; false when there is none.
    fn serve(&mut self, remote: &mut RemoteDisk<Wire>) -> bool {
        let Some(message) = remote.transport.0.pop_front() else {
            return false;
        };
        match message {
            Message::Read(sequence, offset, len) => {
                let mut bytes = vec![0; len];
                self.disk.read(offset, &mut bytes).unwrap();
                let extent = remote.flying.iter_mut();
                for extent in extent.filter(|one| one.sequence == sequence) {
                    extent.bytes.copy_from_slice(&bytes);
                }
                remote.complete(sequence, Ok(()), false);
            }
            Message::Change(sequence, bytes, nr_rows) => {
                self.change(&bytes, nr_rows);
                remote.complete(sequence, Ok(()), false);
            }
            Message::Flush(sequence) => {
                self.durable = self.disk.bytes().to_vec();
                remote.complete(sequence, Ok(()), false);
            }
        }
        true
    }

    /// Reads, serving requests until the bytes are there.
    fn read(&mut self, remote: &mut RemoteDisk<Wire>, offset: u64, len: usize) -> Vec<u8> {
        let mut buf = vec![0; len];
        while let Err(error) = remote.read(offset, &mut buf) {
            assert_eq!(error, BlockError::NotResident(offset));
            assert!(self.serve(remote), "nobody asked for byte {offset}");
        }
        buf
    }
}

fn remote(len: usize) -> (RemoteDisk<Wire>, Server) {
    let disk = RemoteDisk::new(Wire::default(), len as u64);
    (disk, Server::new(len))
}

#[test]
fn equal_misses_are_asked_for_once_and_forward_readers_get_more() {
    let (mut disk, mut server) = remote(4 << 20);
    let mut buf = [0; 1024];
    for _ in 0..3 {
        let miss = disk.read(5000, &mut buf);
        assert_eq!(miss, Err(BlockError::NotResident(5000)));
    }
    assert_eq!(disk.transport.0.len(), 1);
    assert!(matches!(
        disk.transport.0[0],
        Message::Read(1, 4096, 0x8000)
    ));
    let mut nr_requests = 0;
    for block in 0..4096_u64 {
        let expected = server.disk.bytes()[block as usize * 1024..][..1024].to_vec();
        let before = disk.last_sequence;
        assert_eq!(server.read(&mut disk, block * 1024, 1024), expected);
        nr_requests += disk.last_sequence - before;
    }
    // 4 MiB in windows of up to 512 KiB.
    assert!((8..20).contains(&nr_requests), "{nr_requests} requests");
}

#[test]
fn a_read_sees_every_write_before_it() {
    let (mut disk, mut server) = remote(1 << 20);
    // On its way while it is overwritten.
    assert!(disk.read(0, &mut [0; 512]).is_err());
    disk.write(0, &[9; 512]).unwrap();
    assert_eq!(server.read(&mut disk, 0, 512), [9; 512]);
    // Here while it is overwritten, and then discarded.
    disk.write(0, &[8; 512]).unwrap();
    assert_eq!(server.read(&mut disk, 0, 512), [8; 512]);
    disk.discard(0, 512);
    assert_eq!(server.read(&mut disk, 0, 512), [0; 512]);
}

#[test]
fn a_flush_is_complete_when_its_answer_comes() {
    let (mut disk, mut server) = remote(1 << 20);
    assert_eq!(disk.start_flush(), Ok(None));
    disk.write(4096, &[7; 4096]).unwrap();
    let first = disk.start_flush().unwrap().unwrap();
    // Nothing new: the same one.
    assert_eq!(disk.start_flush(), Ok(Some(first)));
    disk.write(8192, &[6; 4096]).unwrap();
    let second = disk.start_flush().unwrap().unwrap();
    assert!(second > first);
    assert_eq!(disk.is_flushed(first), Ok(false));
    while disk.is_flushed(first) == Ok(false) {
        assert!(server.serve(&mut disk));
    }
    assert_eq!(server.durable[4096..8192], [7; 4096]);
    assert_ne!(server.durable[8192..12288], [6; 4096]);
    assert_eq!(disk.is_flushed(second), Ok(false));
    while server.serve(&mut disk) {}
    assert_eq!(disk.is_flushed(second), Ok(true));
    assert_eq!(disk.start_flush(), Ok(None));
}

#[test]
fn a_failed_read_is_told_once_and_tried_again() {
    let (mut disk, mut server) = remote(1 << 20);
    let mut buf = [0; 512];
    assert!(disk.read(0, &mut buf).is_err());
    disk.transport.0.clear();
    disk.complete(1, Err(BlockError::Io), false);
    assert_eq!(disk.read(512, &mut buf), Err(BlockError::Io));
    assert_eq!(server.read(&mut disk, 512, 512), [1; 512]);
}

#[test]
fn a_failed_flush_is_repeated_and_a_lost_change_is_the_end_of_changes() {
    let (mut disk, mut server) = remote(1 << 20);
    disk.write(0, &[1; 512]).unwrap();
    let flush = disk.start_flush().unwrap().unwrap();
    assert!(server.serve(&mut disk));
    disk.transport.0.clear();
    disk.complete(flush, Err(BlockError::NoSpace), true);
    assert!(disk.is_full());
    assert_eq!(disk.is_flushed(flush), Err(BlockError::NoSpace));
    let again = disk.start_flush().unwrap().unwrap();
    assert!(again > flush);
    while server.serve(&mut disk) {}
    assert_eq!(disk.is_flushed(flush), Ok(true));

    disk.write(0, &[2; 512]).unwrap();
    let flush = disk.start_flush().unwrap().unwrap();
    let Some(Message::Change(sequence, ..)) = disk.transport.0.pop_front() else {
        panic!("no change was sent")
    };
    disk.complete(sequence, Err(BlockError::NoSpace), false);
    assert_eq!(disk.write(0, &[3; 512]), Err(BlockError::NoSpace));
    assert_eq!(disk.is_flushed(flush), Err(BlockError::NoSpace));
    assert_eq!(disk.start_flush(), Err(BlockError::NoSpace));
}

#[test]
fn much_on_its_way_is_congestion() {
    let (mut disk, mut server) = remote(32 << 20);
    for part in 0..10_u64 {
        assert_eq!(disk.is_congested(), part > 7, "{part} MiB");
        disk.write(part << 20, &vec![1; 1 << 20]).unwrap();
    }
    assert!(disk.is_congested());
    while server.serve(&mut disk) {}
    assert!(!disk.is_congested());
}

#[test]
fn random_requests_in_any_state_read_what_was_written() {
    const BLOCKS: u64 = 64;
    let (mut disk, mut server) = remote(BLOCKS as usize * 1024);
    let mut model = server.disk.bytes().to_vec();
    let mut random = 1_u64;
    for _ in 0..20_000 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let block = (random >> 33) % BLOCKS;
        let at = block as usize * 1024;
        match (random >> 60) & 7 {
            0..3 => assert_eq!(
                server.read(&mut disk, block * 1024, 1024),
                model[at..at + 1024]
            ),
            3 | 4 => {
                let bytes = [(random >> 24) as u8; 1024];
                disk.write(block * 1024, &bytes).unwrap();
                model[at..at + 1024].copy_from_slice(&bytes);
            }
            5 => {
                disk.discard(block * 1024, 1024);
                model[at..at + 1024].fill(0);
            }
            6 => {
                let _ = disk.read(block * 1024, &mut [0; 1024]);
            }
            _ => {
                disk.start_flush().unwrap();
            }
        }
    }
    disk.start_flush().unwrap();
    while server.serve(&mut disk) {}
    assert_eq!(server.durable, model);
}

//! The cache on disks in memory, good ones and bad ones.

use super::*;
use crate::{Fault, FaultDisk, MemDisk, VecDisk};

fn cache() -> BlockCache<MemDisk> {
    BlockCache::new(MemDisk::zeroed(64 * 512), 512, 16 * 512)
}

#[test]
fn changes_reach_the_device_by_eviction_and_by_flush() {
    let mut cache = cache();
    for block in 0..64 {
        cache
            .block_mut(block)
            .unwrap()
            .fill(u8::try_from(block).unwrap());
    }
    assert!(cache.statistics().nr_evictions >= 48);
    for block in 0..64 {
        assert_eq!(u64::from(cache.block(block).unwrap()[511]), block);
    }
    cache.flush().unwrap();
    assert!(!cache.is_dirty());
    let image = cache.into_device().into_image();
    assert!((0..64).all(|block| usize::from(image[block * 512]) == block));
}

#[test]
fn roll_back_restores_bytes_and_dirtiness() {
    let mut cache = cache();
    cache.block_mut(1).unwrap().fill(1);
    cache.flush().unwrap();
    cache.block_mut(2).unwrap().fill(2);
    cache.begin();
    cache.block_mut(1).unwrap().fill(9);
    cache.zeroed(2).unwrap();
    cache.zeroed(3).unwrap().fill(9);
    cache.forget(2);
    assert!(cache.roll_back());
    assert_eq!(cache.block(1).unwrap()[0], 1);
    assert_eq!(cache.block(2).unwrap()[0], 2);
    assert_eq!(cache.block(3).unwrap()[0], 0);
    cache.flush().unwrap();
    let image = cache.into_device().into_image();
    assert_eq!((image[512], image[1024], image[1536]), (1, 2, 0));
}

#[test]
fn an_operation_larger_than_the_budget_can_still_be_undone() {
    let mut cache = cache();
    cache.begin();
    for block in 0..40 {
        cache.block_mut(block).unwrap().fill(5);
    }
    assert!(cache.roll_back());
    cache.flush().unwrap();
    assert!((0..64).all(|block| cache.block(block).unwrap()[0] == 0));
    cache.begin();
    for block in 0..40 {
        cache.block_mut(block).unwrap().fill(6);
    }
    cache.commit();
    cache.flush().unwrap();
    assert!((0..40).all(|block| cache.block(block).unwrap()[0] == 6));
}

#[test]
fn a_smaller_budget_takes_effect_at_once_and_loses_nothing() {
    let mut cache = BlockCache::new(MemDisk::zeroed(64 * 512), 512, 64 * 512);
    for block in 0..64 {
        cache
            .block_mut(block)
            .unwrap()
            .fill(u8::try_from(block).unwrap());
    }
    assert_eq!(cache.held_bytes(), 64 * 512);
    cache.set_budget(20 * 512).unwrap();
    assert_eq!(cache.held_bytes(), 20 * 512);
    cache.begin();
    cache.block_mut(1).unwrap().fill(99);
    cache.set_budget(0).unwrap();
    assert!(cache.roll_back());
    cache.set_budget(0).unwrap();
    assert_eq!(cache.held_bytes(), 16 * 512);
    for block in 0..64 {
        assert_eq!(u64::from(cache.block(block).unwrap()[0]), block);
    }
    cache.set_budget(64 * 512).unwrap();
    cache.flush().unwrap();
    let image = cache.into_device().into_image();
    assert!((0..64).all(|block| usize::from(image[block * 512]) == block));
}

#[test]
fn freed_blocks_are_not_written() {
    let mut cache = cache();
    cache.block_mut(5).unwrap().fill(5);
    cache.begin();
    cache.forget(5);
    cache.commit();
    cache.flush().unwrap();
    assert_eq!(cache.statistics().nr_writes, 0);
}

/// A disk that notes what is discarded.
struct Discards(MemDisk, Vec<(u64, u64)>);

impl BlockDevice for Discards {
    fn len_bytes(&self) -> u64 {
        self.0.len_bytes()
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        self.0.read(offset, buf)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), BlockError> {
        self.0.write(offset, bytes)
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        self.0.flush()
    }

    fn discard(&mut self, offset: u64, len: u64) {
        if len > 0 {
            self.1.push((offset, len));
        }
    }
}

#[test]
fn the_device_is_told_of_freed_blocks_unless_they_are_in_use_again() {
    let mut cache = BlockCache::new(Discards(MemDisk::zeroed(65_536), Vec::new()), 1024, 0);
    cache.begin();
    for block in [10, 11, 12, 13, 9, 40] {
        cache.forget(block);
    }
    cache.zeroed(11).unwrap();
    cache.commit();
    assert_eq!(
        cache.device().1,
        [(40 << 10, 1024), (9 << 10, 2048), (12 << 10, 2048)]
    );
    assert!(cache.is_dirty());
    cache.begin();
    cache.forget(11);
    assert!(!cache.roll_back());
    cache.commit();
    assert_eq!(cache.device().1.len(), 3, "what was undone was not freed");
}

#[test]
fn a_late_block_is_reported_and_then_found() {
    let disk = FaultDisk::new(MemDisk::new(vec![3; 8192]), vec![Fault::DelayRead(0)]);
    let mut cache = BlockCache::new(disk, 1024, 0);
    assert_eq!(cache.block(2), Err(BlockError::NotResident(2048)));
    assert_eq!(cache.block(2).unwrap()[0], 3);
    assert_eq!(cache.block(8), Err(BlockError::OutOfRange));
    assert_eq!(cache.block(u64::MAX), Err(BlockError::OutOfRange));
}

#[test]
fn a_failed_write_keeps_the_block_dirty() {
    let disk = FaultDisk::new(MemDisk::zeroed(8192), vec![Fault::FailWrite(0)]);
    let mut cache = BlockCache::new(disk, 1024, 0);
    let fill = |bytes: &mut [u8]| {
        bytes.fill(7);
        Ok::<(), BlockError>(())
    };
    cache.overwrite(1, fill).unwrap();
    assert_eq!(cache.flush(), Err(BlockError::Io));
    assert!(cache.is_dirty());
    cache.flush().unwrap();
    assert_eq!(cache.into_device().into_inner().into_image()[1024], 7);
}

#[test]
fn an_overwrite_that_fails_leaves_the_device_s_bytes() {
    let mut cache = BlockCache::new(MemDisk::new(vec![3; 8192]), 1024, 0);
    let fail = |bytes: &mut [u8]| {
        bytes.fill(9);
        Err(BlockError::Io)
    };
    assert_eq!(cache.overwrite(1, fail), Err(BlockError::Io));
    assert_eq!(cache.block(1).unwrap()[0], 3);
    assert!(!cache.is_dirty());
}

/// The device has all blocks in memory, or lends none.
fn counting(is_lent: bool) -> BlockCache<Box<dyn BlockDevice>> {
    let image: Vec<u8> = (0..64_u8).flat_map(|block| [block; 512]).collect();
    let device: Box<dyn BlockDevice> = if is_lent {
        Box::new(VecDisk::new(image))
    } else {
        Box::new(MemDisk::new(image))
    };
    BlockCache::new(device, 512, 16 * 512)
}

#[test]
fn blocks_in_the_devices_memory_take_no_room_until_they_are_changed() {
    for is_lent in [true, false] {
        let mut cache = counting(is_lent);
        let read = |cache: &mut BlockCache<_>, block| {
            let mut bytes = Vec::new();
            cache
                .with_block(block, &mut |here| bytes.push(here.to_vec()))
                .unwrap();
            bytes
        };
        cache.block_mut(7).unwrap()[0] = 99;
        for block in 0..64_u8 {
            let mut expected = vec![block; 512];
            if block == 7 {
                expected[0] = 99;
            }
            assert_eq!(read(&mut cache, block.into()), [expected]);
        }
        let nr_loads = if is_lent { 1 } else { 64 };
        assert_eq!(cache.statistics().nr_loads, nr_loads);
        for block in [64, u64::MAX] {
            let result = cache.with_block(block, &mut |_| panic!("there is no such block"));
            assert_eq!(result, Err(BlockError::OutOfRange));
        }
    }
}

#[test]
fn what_is_dirty_is_counted_and_one_bad_block_does_not_keep_others_from_the_disk() {
    let disk = FaultDisk::new(MemDisk::zeroed(64 * 512), vec![Fault::FailWrite(2)]);
    let mut cache = BlockCache::new(disk, 512, 64 * 512);
    for block in 0..6 {
        cache.block_mut(block).unwrap().fill(1);
        cache.block_mut(block).unwrap().fill(2);
    }
    assert_eq!(cache.dirty_bytes(), 6 * 512);
    cache.begin();
    cache.overwrite::<BlockError>(6, |_| Ok(())).unwrap();
    for block in 0..20 {
        cache.zeroed(block).unwrap();
    }
    assert_eq!(cache.dirty_bytes(), 20 * 512);
    assert!(cache.roll_back());
    assert_eq!(cache.dirty_bytes(), 7 * 512, "an overwrite stays");
    cache.forget(6);
    cache.commit();
    assert_eq!(cache.dirty_bytes(), 6 * 512);
    assert_eq!(cache.write_out(), Err(BlockError::Io));
    assert_eq!(cache.dirty_bytes(), 512);
    assert_eq!(cache.statistics().nr_writes, 5);
    cache.write_out().unwrap();
    assert!(!cache.is_dirty());
}

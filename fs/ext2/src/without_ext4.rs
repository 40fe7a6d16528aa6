//! The seam of `ext4/` without the feature `ext4`: the disk has nothing of it.

use fs_block::BlockDevice;

use crate::error::{CorruptKind, Result};
use crate::inode::{Inode, Run};
use crate::xattr::Xattr;
use crate::{BlockNo, Ext2, InodeNo};

/// The bits of `s_feature_incompat` that are read here.
pub(crate) const INCOMPAT: u32 = 0;

/// Names of features cost more than they say where none is known.
pub(crate) const fn feature_name(_: u32) -> &'static str {
    "the disk uses an unknown feature"
}

/// What a disk has of ext4.
#[derive(Clone, Debug)]
pub(crate) struct Ext4;

#[expect(
    clippy::unused_self,
    clippy::unnecessary_wraps,
    clippy::missing_const_for_fn,
    reason = "the signatures of `ext4`"
)]
impl Ext4 {
    #[inline]
    pub(crate) fn from_superblock(_: &[u8], _: u32, _: u32) -> Result<Self> {
        Ok(Self)
    }

    #[inline]
    pub(crate) const fn descriptor_bytes(&self) -> u32 {
        32
    }

    #[inline]
    pub(crate) const fn is_flexible(&self) -> bool {
        false
    }

    #[inline]
    pub(crate) const fn inode_flags(&self) -> u32 {
        0
    }

    #[inline]
    pub(crate) const fn has_extents(&self, _: u32) -> bool {
        false
    }

    #[inline]
    pub(crate) fn is_descriptor_right(&self, _: u32, _: &[u8]) -> bool {
        true
    }

    #[inline]
    pub(crate) fn is_inode_right(&self, _: InodeNo, _: &[u8]) -> bool {
        true
    }

    #[inline]
    pub(crate) fn is_attribute_block_right(&self, _: BlockNo, _: &[u8]) -> bool {
        true
    }
}

impl<D: BlockDevice> Ext2<D> {
    #[inline]
    pub(crate) fn extent_run(&mut self, inode: &Inode, _: u64) -> Result<Run> {
        Err(CorruptKind::Inode(inode.ino, "extents").into())
    }

    #[inline]
    pub(crate) fn check_dir_block(&mut self, _: &Inode, _: BlockNo) -> Result<()> {
        Ok(())
    }

    #[inline]
    pub(crate) fn add_inode_xattrs(&mut self, _: InodeNo, _: &mut Vec<Xattr>) -> Result<()> {
        Ok(())
    }
}

//! Mounts as `/proc/mounts` and `/proc/PID/mountinfo` show them.
//!
//! # References
//! proc_pid_mounts(5), proc_pid_mountinfo(5).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use abi::flags::{
    MS_NOATIME, MS_NODEV, MS_NODIRATIME, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_STRICTATIME,
    MS_SYNCHRONOUS,
};

use super::Mount;
use crate::vfs::Vfs;
use crate::vfs::device::{major, minor};
use crate::vfs::path::Location;

impl Mount {
    /// [`Mount::source`], or `none`.
    fn shown_source(&self) -> &[u8] {
        if self.source.is_empty() {
            b"none"
        } else {
            &self.source
        }
    }

    /// These flags as `/proc/mounts` shows them, e.g. `rw,nosuid,relatime`.
    fn options(flags: u32) -> String {
        let mut options = String::from(if flags & MS_RDONLY == 0 { "rw" } else { "ro" });
        let names = [
            (MS_SYNCHRONOUS, ",sync"),
            (MS_NOSUID, ",nosuid"),
            (MS_NODEV, ",nodev"),
            (MS_NOEXEC, ",noexec"),
            (MS_NOATIME, ",noatime"),
            (MS_NODIRATIME, ",nodiratime"),
        ];
        for (flag, name) in names {
            if flags & flag != 0 {
                options.push_str(name);
            }
        }
        if flags & (MS_NOATIME | MS_STRICTATIME) == 0 {
            options.push_str(",relatime");
        }
        options
    }
}

impl Vfs {
    /// The mounts that `root` can see, in mounting order, as `/proc/mounts` lists them.
    pub fn mounts_text(&self, root: &Location) -> Vec<u8> {
        let mut text = Vec::new();
        for (mount, point) in self.visible(root) {
            escape(&mut text, mount.shown_source());
            text.push(b' ');
            escape(&mut text, &point);
            let type_name = mount.file_system().type_name();
            let options = Mount::options(mount.flags());
            text.extend_from_slice(format!(" {type_name} {options} 0 0\n").as_bytes());
        }
        text
    }

    /// The same as `/proc/PID/mountinfo` lists them.
    pub fn mountinfo_text(&self, root: &Location) -> Vec<u8> {
        let mut text = Vec::new();
        for (mount, point) in self.visible(root) {
            let parent = mount.point().map_or(0, |(parent, _)| parent.id);
            let device = mount
                .root
                .inode()
                .metadata()
                .map_or(0, |metadata| metadata.device);
            let (major, minor) = (major(device), minor(device));
            let head = format!("{} {parent} {major}:{minor} ", mount.id);
            text.extend_from_slice(head.as_bytes());
            escape(&mut text, &mount.root.path_in_tree());
            text.push(b' ');
            escape(&mut text, &point);
            let type_name = mount.file_system().type_name();
            let options = Mount::options(mount.flags.load(Ordering::Relaxed));
            text.extend_from_slice(format!(" {options} - {type_name} ").as_bytes());
            escape(&mut text, mount.shown_source());
            let is_read_only = mount.tree.is_read_only.load(Ordering::Relaxed);
            let mode: &[u8] = if is_read_only { b" ro\n" } else { b" rw\n" };
            text.extend_from_slice(mode);
        }
        text
    }

    /// The mounts below `root` with the paths from there.
    fn visible(&self, root: &Location) -> Vec<(Arc<Mount>, Vec<u8>)> {
        let all = self.mounts.lock().list.clone();
        let with_path = all.into_iter().map(|mount| {
            let point = Location::of_mount(Arc::clone(&mount)).path(root);
            (mount, point)
        });
        with_path
            .filter(|(_, point)| !point.starts_with(b"(unreachable)"))
            .collect()
    }
}

/// Appends `text` with blanks, tabs, newlines and backslashes as octal escapes.
fn escape(to: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b' ' => to.extend_from_slice(b"\\040"),
            b'\t' => to.extend_from_slice(b"\\011"),
            b'\n' => to.extend_from_slice(b"\\012"),
            b'\\' => to.extend_from_slice(b"\\134"),
            _ => to.push(byte),
        }
    }
}

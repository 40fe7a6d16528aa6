//! The inodes of procfs: what a [`Node`] stands for is asked for at each call, and is `ENOENT` or
//! `ESRCH` when the process is gone.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use abi::flags::{O_ACCMODE, O_RDONLY, O_WRONLY};
use abi::{Errno, Result};

use super::node::{Node, Shown, Subject};
use super::process::{self, Entry, descriptor_info, path_for};
use super::source::ProcessSource;
use super::sys;
use super::system;
use crate::io::{Sink, Source};
use crate::vfs::inode::{DirEntry, FileType, Inode, Metadata, SetAttributes, Timestamp};
use crate::vfs::path::Location;

/// What all inodes of a mount share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) device: u64,
    pub(super) source: Arc<dyn ProcessSource>,
    pub(super) time: Timestamp,
}

/// Names in a directory that are not numbers.
const ROOT_LINKS: &[(&str, Node)] = &[
    ("self", Node::SelfLink),
    ("thread-self", Node::ThreadSelfLink),
    ("mounts", Node::MountsLink),
    ("sys", Node::Sys("")),
    ("shoal", Node::PodFiles),
    ("net", Node::Network),
];

/// The files of `/proc/net`.
const NETWORK_FILES: &[&str] = &["unix"];

/// What `lstat(2)` says of the length of a descriptor's link.
const LINK_SIZE: u64 = 64;

/// Cookies of numbered entries start here: the cookie of number n is this plus n plus 1.
const FIRST_NUMBER: u64 = 0x1000;

/// An inode of procfs.
pub(super) struct ProcInode {
    shared: Arc<Shared>,
    node: Node,
}

impl fmt::Debug for ProcInode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProcInode({:#x})", self.node.number())
    }
}

/// A name that is a number, without leading zeros.
fn number_of(name: &[u8]) -> Option<u32> {
    if name.len() > 1 && name.first() == Some(&b'0') || name.first() == Some(&b'+') {
        return None;
    }
    std::str::from_utf8(name).ok()?.parse().ok()
}

impl ProcInode {
    pub(super) fn make(shared: &Arc<Shared>, node: Node) -> Arc<dyn Inode> {
        Arc::new(Self {
            shared: Arc::clone(shared),
            node,
        })
    }

    fn source(&self) -> &dyn ProcessSource {
        &*self.shared.source
    }

    /// The process and thread that makes this call.
    fn current(&self) -> Result<(u32, u32)> {
        let current = self.source().current();
        current.ok_or(Errno::ENOENT.because("the kernel itself is no process"))
    }

    /// The entry `name` of a directory.
    fn find(&self, name: &[u8]) -> Option<Node> {
        let source = self.source();
        match self.node {
            Node::Root => {
                if let Some(id) = number_of(name) {
                    source.status(id)?;
                    return Some(Node::Process(Subject {
                        id,
                        is_thread: false,
                    }));
                }
                self.fixed()
                    .find(|(known, _)| known.as_bytes() == name)
                    .map(|(_, node)| node)
            }
            Node::PodFiles | Node::Network | Node::Sys(_) | Node::Process(_) => self
                .fixed()
                .find(|(known, _)| known.as_bytes() == name)
                .map(|(_, node)| node),
            Node::Threads(pid) => {
                let id = number_of(name)?;
                let is_there = source.threads(pid)?.contains(&id);
                is_there.then_some(Node::Process(Subject {
                    id,
                    is_thread: true,
                }))
            }
            Node::Descriptors(subject, shown) => {
                let fd = number_of(name)?;
                source.descriptor(subject.id, fd)?;
                Some(Node::Descriptor(subject, fd, shown))
            }
            _ => None,
        }
    }

    /// The entries of a directory whose names are not numbers, always in the same order.
    fn fixed(&self) -> Box<dyn Iterator<Item = (&'static str, Node)> + '_> {
        match self.node {
            Node::Root => {
                let files = system::FILES.iter().enumerate();
                let files = files.map(|(index, &(name, text))| (name, Node::System(index, text)));
                Box::new(ROOT_LINKS.iter().copied().chain(files))
            }
            Node::PodFiles => {
                let names = self.source().pod_files().iter();
                Box::new(names.map(|&name| (name, Node::PodFile(name))))
            }
            Node::Network => {
                let names = NETWORK_FILES.iter();
                Box::new(names.map(|&name| (name, Node::NetworkFile(name))))
            }
            Node::Sys(path) => Box::new(sys::entries(path).map(|(name, entry)| match entry {
                sys::Entry::Directory(path) => (name, Node::Sys(path)),
                sys::Entry::Setting(setting) => (name, Node::Setting(setting)),
            })),
            Node::Process(subject) => {
                let rows = process::ENTRIES.iter().enumerate();
                Box::new(rows.filter_map(move |(index, (name, entry))| {
                    let node = match entry {
                        Entry::File(permissions, text) => {
                            Node::File(subject, index, *permissions, *text)
                        }
                        Entry::Link(place) => Node::Link(subject, *place),
                        Entry::Descriptors => Node::Descriptors(subject, Shown::File),
                        Entry::DescriptorInfos => Node::Descriptors(subject, Shown::Info),
                        Entry::Threads if subject.is_thread => return None,
                        Entry::Threads => Node::Threads(subject.id),
                    };
                    Some((*name, node))
                }))
            }
            _ => Box::new(std::iter::empty()),
        }
    }

    /// The entries of a directory whose names are numbers, ascending.
    fn numbered(&self) -> Result<Vec<(u32, Node)>> {
        let source = self.source();
        let with = |numbers: Vec<u32>, node: &dyn Fn(u32) -> Node| {
            numbers
                .into_iter()
                .map(|number| (number, node(number)))
                .collect()
        };
        Ok(match self.node {
            Node::Root => with(source.pids(), &|id| {
                Node::Process(Subject {
                    id,
                    is_thread: false,
                })
            }),
            Node::Threads(pid) => {
                let threads = source.threads(pid).ok_or(Errno::ENOENT)?;
                with(threads, &|id| {
                    Node::Process(Subject {
                        id,
                        is_thread: true,
                    })
                })
            }
            Node::Descriptors(subject, shown) => {
                let descriptors = source.descriptors(subject.id).ok_or(Errno::ENOENT)?;
                with(descriptors, &|fd| Node::Descriptor(subject, fd, shown))
            }
            _ => Vec::new(),
        })
    }

    /// Where a magic link leads.
    fn target(&self) -> Option<Result<Location>> {
        let source = self.source();
        match self.node {
            Node::Link(subject, place) => {
                let location = source.place(subject.id, place).flatten();
                Some(location.ok_or(Errno::ENOENT.because("the process has none")))
            }
            Node::Descriptor(subject, fd, Shown::File) => {
                let descriptor = source.descriptor(subject.id, fd);
                let location = descriptor.map(|descriptor| descriptor.location);
                Some(location.ok_or(Errno::ENOENT.because("the descriptor was closed")))
            }
            _ => None,
        }
    }

    /// The same for whoever may follow the link.
    fn reachable(&self) -> Option<Result<Location>> {
        let subject = self.node.subject()?;
        let target = self.target()?;
        if self.source().may_inspect(subject.id) {
            return Some(target);
        }
        Some(Err(Errno::EACCES.because("the process is of another user")))
    }

    /// The permission bits and size of what is shown of descriptors: how a file was opened is
    /// seen at the bits of its link.
    fn descriptor_attributes(&self) -> Result<(u32, u64)> {
        let source = self.source();
        let permissions = self.node.permissions();
        Ok(match self.node {
            Node::Descriptor(subject, fd, Shown::File) => {
                let descriptor = source.descriptor(subject.id, fd).ok_or(Errno::ENOENT)?;
                let permissions = match descriptor.flags & O_ACCMODE {
                    O_RDONLY => 0o500,
                    O_WRONLY => 0o300,
                    _ => 0o700,
                };
                (permissions, LINK_SIZE)
            }
            Node::Descriptors(subject, Shown::File) => {
                let descriptors = source.descriptors(subject.id).ok_or(Errno::ENOENT)?;
                (permissions, u64::try_from(descriptors.len()).unwrap_or(0))
            }
            _ => (permissions, 0),
        })
    }

    /// The text of a file.
    fn text(&self) -> Result<Vec<u8>> {
        let source = self.source();
        let text = match self.node {
            Node::System(_, text) => Some(text(source).into_bytes()),
            Node::PodFile(name) => source.pod_file(name),
            Node::NetworkFile(name) => source.network_file(name),
            Node::Setting(setting) => Some((setting.read)(source)),
            Node::File(subject, _, _, text) => text(source, subject.id),
            Node::Descriptor(subject, fd, Shown::Info) => source
                .descriptor(subject.id, fd)
                .as_ref()
                .map(descriptor_info),
            _ if self.node.file_type() == FileType::Directory => return Err(Errno::EISDIR.into()),
            _ => return Err(Errno::EINVAL.into()),
        };
        text.ok_or(Errno::ESRCH.because("the process is gone"))
    }
}

impl Inode for ProcInode {
    fn metadata(&self) -> Result<Metadata> {
        let (mut uid, mut gid) = (0, 0);
        if let Some(subject) = self.node.subject() {
            let status = self.source().status(subject.id).ok_or(Errno::ENOENT)?;
            let [_, euid, _, _] = status.uids;
            let [_, egid, _, _] = status.gids;
            // Of one that has given up privilege only the superuser sees more than its descriptors,
            // which are its own to look at all the same.
            let is_theirs = match self.node {
                Node::Process(_) => true,
                Node::Descriptors(..) => self
                    .current()
                    .is_ok_and(|(process, _)| process == subject.id),
                _ => false,
            };
            if status.is_dumpable || is_theirs {
                (uid, gid) = (euid, egid);
            }
        }
        let file_type = self.node.file_type();
        let (permissions, size) = self.descriptor_attributes()?;
        let time = self.shared.time;
        Ok(Metadata {
            device: self.shared.device,
            inode: self.node.number(),
            file_type,
            permissions,
            nr_links: if file_type == FileType::Directory {
                2
            } else {
                1
            },
            uid,
            gid,
            rdev: 0,
            size,
            block_size: 1024,
            nr_blocks: 0,
            atime: time,
            mtime: time,
            ctime: time,
        })
    }

    fn set_attributes(&self, change: &SetAttributes) -> Result<()> {
        // Opening with O_TRUNC, as shells do for `>`, and reading change nothing here.
        if change.permissions.is_some() || change.uid.is_some() || change.gid.is_some() {
            return Err(Errno::EPERM.because("attributes of /proc are fixed"));
        }
        Ok(())
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        if self.node.file_type() != FileType::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        let node = self.find(name).ok_or(Errno::ENOENT)?;
        Ok(Self::make(&self.shared, node))
    }

    fn read_link(&self) -> Result<Vec<u8>> {
        match self.node {
            Node::MountsLink => Ok(b"self/mounts".to_vec()),
            Node::SelfLink => Ok(self.current()?.0.to_string().into_bytes()),
            Node::ThreadSelfLink => {
                let (process, thread) = self.current()?;
                Ok(format!("{process}/task/{thread}").into_bytes())
            }
            _ => {
                let subject = self.node.subject().ok_or(Errno::EINVAL)?;
                let target = self.reachable().ok_or(Errno::EINVAL)??;
                Ok(path_for(self.source(), subject.id, &target))
            }
        }
    }

    fn follow(&self) -> Option<Result<Location>> {
        self.reachable()
    }

    fn is_cacheable(&self) -> bool {
        false
    }

    fn read_dir(&self, cookie: u64, report: &mut dyn FnMut(DirEntry<'_>) -> bool) -> Result<()> {
        if self.node.file_type() != FileType::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        for ((name, node), next) in self.fixed().zip(1..) {
            if next > cookie && !report(node.entry(name.as_bytes(), next)) {
                return Ok(());
            }
        }
        for (number, node) in self.numbered()? {
            let next = FIRST_NUMBER
                .saturating_add(u64::from(number))
                .saturating_add(1);
            let name = number.to_string();
            if next > cookie && !report(node.entry(name.as_bytes(), next)) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn read_at(&self, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        let text = self.text()?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = text.get(start..).unwrap_or_default();
        let piece = rest.get(..sink.remaining()).unwrap_or(rest);
        if !piece.is_empty() {
            sink.put(piece)?;
        }
        Ok(piece.len())
    }

    fn write_at(&self, _: u64, source: &mut dyn Source, _: Timestamp) -> Result<usize> {
        let mut bytes = vec![0; source.remaining().min(4096)];
        source.take(&mut bytes)?;
        match self.node {
            Node::Setting(setting) => {
                let write = setting
                    .write
                    .ok_or(Errno::EACCES.because("a fixed setting"))?;
                write(self.source(), &bytes)?;
            }
            Node::File(subject, index, ..) => match process::ENTRIES.get(index) {
                Some(("comm", _)) => {
                    let name = bytes.split(|&byte| byte == b'\n' || byte == 0).next();
                    let name = name.unwrap_or_default();
                    self.source()
                        .set_comm(subject.id, name.get(..15).unwrap_or(name))?;
                }
                Some(("oom_score_adj", _)) => {
                    let text = String::from_utf8_lossy(&bytes);
                    let value = text.trim().parse().ok();
                    let value = value.filter(|value| (-1000..=1000).contains(value));
                    let value = value.ok_or(Errno::EINVAL.because("-1000 to 1000"))?;
                    self.source().set_oom_score_adj(subject.id, value)?;
                }
                _ => return Err(Errno::EACCES.into()),
            },
            _ if self.node.file_type() == FileType::Directory => return Err(Errno::EISDIR.into()),
            _ => return Err(Errno::EACCES.into()),
        }
        Ok(bytes.len())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

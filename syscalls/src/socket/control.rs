//! Control messages (cmsg(3)): open files and credentials, as guests write and read them.

use std::sync::Arc;

use abi::flags::{
    CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN, CAP_SYS_RESOURCE, MSG_CMSG_CLOEXEC, MSG_CTRUNC,
    SCM_CREDENTIALS, SCM_RIGHTS, SOL_SOCKET,
};
use abi::layout::{CmsgHdr, MsgHdr, Ucred};
use abi::types::{Fd, UserAddr};
use abi::{Errno, Result};
use kernel::fd_table::OnExec;
use kernel::open_file::OpenFile;
use kernel::platform::UserMemory;
use kernel::process::{Process, Resource};
use net::message::{Credentials, PassedFile, Received};

use crate::context::Cx;
use crate::fd::limit;

/// Bytes of a control message's head.
const HEAD: u32 = 12;
/// Bytes of all control messages of one call: `net.core.optmem_max`.
const CONTROL_MAX: u32 = 131_072;
/// Open files in one message: `SCM_MAX_FD`.
const FILES_MAX: usize = 253;

/// What a message to be sent carries.
#[derive(Debug, Default)]
pub(super) struct Carried {
    pub(super) files: Vec<Arc<dyn PassedFile>>,
    pub(super) credentials: Option<Credentials>,
}

/// Reads the control messages of `header`; those of other levels are for nobody.
///
/// # Errors
/// `EINVAL` for a bad length or type, `EBADF`, `EPERM` for foreign credentials, `ESRCH`,
/// `ETOOMANYREFS`, `ENOBUFS`, `EFAULT`.
pub(super) fn read(cx: Cx<'_>, header: &MsgHdr) -> Result<Carried> {
    let mut carried = Carried::default();
    if header.control == 0 || header.control_len < HEAD {
        return Ok(carried);
    }
    if header.control_len > CONTROL_MAX {
        return Err(Errno::ENOBUFS.because("too many control messages"));
    }
    let mut bytes = vec![0; usize::try_from(header.control_len).map_err(|_| Errno::ENOBUFS)?];
    cx.memory().copy_in(header.control, &mut bytes)?;
    let mut rest = bytes.as_slice();
    while let Some(head) = rest.first_chunk() {
        let head = CmsgHdr::from_bytes(head);
        let len = usize::try_from(head.len).unwrap_or(usize::MAX);
        let data = rest.get(CmsgHdr::SIZE..len);
        let data = data.ok_or_else(|| Errno::EINVAL.because("a control message's length"))?;
        if head.level == SOL_SOCKET {
            match head.kind {
                SCM_RIGHTS => take_files(cx, data, &mut carried.files)?,
                SCM_CREDENTIALS => carried.credentials = Some(check_credentials(cx, data)?),
                _ => return Err(Errno::EINVAL.because("an unknown control message")),
            }
        }
        let step = usize::try_from(CmsgHdr::align(head.len)).unwrap_or(usize::MAX);
        rest = rest.get(step..).unwrap_or_default();
    }
    Ok(carried)
}

fn take_files(cx: Cx<'_>, data: &[u8], files: &mut Vec<Arc<dyn PassedFile>>) -> Result<()> {
    let process = cx.process();
    let in_flight = u64::try_from(cx.kernel.network.unix().nr_in_flight()).unwrap_or(u64::MAX);
    let is_limited = !process.credentials().has(CAP_SYS_RESOURCE);
    if is_limited && in_flight > process.limits.lock().soft(Resource::OpenFiles) {
        return Err(Errno::ETOOMANYREFS.because("too many open files in messages"));
    }
    for word in data.chunks_exact(4) {
        if files.len() >= FILES_MAX {
            return Err(Errno::EINVAL.because("over 253 open files"));
        }
        let fd = word.try_into().map_or(-1, i32::from_le_bytes);
        files.push(cx.file(Fd(fd))?);
    }
    Ok(())
}

/// What a process may say that it is: itself, by any of its ids, and more with capabilities.
fn check_credentials(cx: Cx<'_>, data: &[u8]) -> Result<Credentials> {
    let raw = data.try_into();
    let raw = raw.map_err(|_| Errno::EINVAL.because("no credentials"))?;
    let Ucred { pid, uid, gid } = Ucred::from_bytes(raw);
    let process = cx.process();
    let own = process.credentials();
    let is_own =
        |ids: kernel::process::Ids, id: u32| [ids.real, ids.effective, ids.saved].contains(&id);
    let is_true = (pid == process.pid || own.has(CAP_SYS_ADMIN))
        && (is_own(own.user, uid) || own.has(CAP_SETUID))
        && (is_own(own.group, gid) || own.has(CAP_SETGID));
    if !is_true {
        return Err(Errno::EPERM.because("credentials of somebody else"));
    }
    if pid != process.pid && cx.kernel.processes.find(pid).is_none() {
        return Err(Errno::ESRCH.into());
    }
    Ok(Credentials { pid, uid, gid })
}

/// The room of a guest for control messages, filled from the front.
#[derive(Debug)]
pub(super) struct Room<'a> {
    pub(super) memory: &'a dyn UserMemory,
    pub(super) process: &'a Process,
    /// Where the next one goes.
    address: u32,
    left: u32,
    /// Bytes used.
    pub(super) used: u32,
    /// `MSG_CTRUNC` when something did not fit; `MSG_CMSG_CLOEXEC` as the caller gave it.
    pub(super) flags: u32,
}

impl<'a> Room<'a> {
    pub(super) fn new(
        memory: &'a dyn UserMemory,
        process: &'a Process,
        header: &MsgHdr,
        flags: u32,
    ) -> Self {
        Self {
            memory,
            process,
            address: header.control,
            left: if header.control == 0 {
                0
            } else {
                header.control_len
            },
            used: 0,
            flags: flags & MSG_CMSG_CLOEXEC,
        }
    }

    /// Writes what came along with a message.
    ///
    /// - `tells_sender`: `SO_PASSCRED`
    ///
    /// # Errors
    /// `EFAULT`
    pub(super) fn put_all(&mut self, received: &mut Received, tells_sender: bool) -> Result<()> {
        if tells_sender && let Some(sender) = received.credentials {
            let Credentials { pid, uid, gid } = sender;
            let bytes = Ucred { pid, uid, gid }.to_bytes();
            self.put(SCM_CREDENTIALS, &bytes)?;
        }
        let files = std::mem::take(&mut received.files);
        if !files.is_empty() {
            self.put_files(files)?;
        }
        Ok(())
    }

    /// One control message; one that does not fit is cut.
    fn put(&mut self, kind: i32, data: &[u8]) -> Result<()> {
        if self.left < HEAD {
            self.flags |= MSG_CTRUNC;
            return Ok(());
        }
        let whole = HEAD.saturating_add(u32::try_from(data.len()).unwrap_or(u32::MAX));
        if self.left < whole {
            self.flags |= MSG_CTRUNC;
        }
        let len = whole.min(self.left);
        let room = usize::try_from(len.saturating_sub(HEAD)).unwrap_or(0);
        let data = data.get(..room).unwrap_or(data);
        self.write_head(kind, len)?;
        self.memory
            .copy_out(self.address.saturating_add(HEAD), data)?;
        self.advance(CmsgHdr::align(whole));
        Ok(())
    }

    fn write_head(&self, kind: i32, len: u32) -> Result<()> {
        let head = CmsgHdr {
            len,
            level: SOL_SOCKET,
            kind,
        };
        self.memory.copy_out(self.address, &head.to_bytes())
    }

    fn advance(&mut self, bytes: u32) {
        let bytes = bytes.min(self.left);
        self.address = self.address.saturating_add(bytes);
        self.left = self.left.saturating_sub(bytes);
        self.used = self.used.saturating_add(bytes);
    }

    /// Gives open files descriptors, as many as there is room for; the rest is closed.
    fn put_files(&mut self, files: Vec<Arc<dyn PassedFile>>) -> Result<()> {
        let nr_files = files.len();
        let nr_room = usize::try_from(self.left.saturating_sub(HEAD) / 4).unwrap_or(0);
        let on_exec = if self.flags & MSG_CMSG_CLOEXEC == 0 {
            OnExec::Keep
        } else {
            OnExec::Close
        };
        let limit = limit(self.process);
        let mut count = 0_usize;
        let mut at = UserAddr(self.address).offset(HEAD)?;
        for file in files.into_iter().take(nr_room) {
            let Ok(file) = file.into_any().downcast::<OpenFile>() else {
                break;
            };
            let Ok(fd) = self.process.files().install(file, on_exec, limit) else {
                break;
            };
            if self.memory.copy_out(at.0, &fd.0.to_le_bytes()).is_err() {
                let closed = self.process.files().close(fd);
                drop(closed);
                break;
            }
            at = at.offset(4)?;
            count = count.saturating_add(1);
        }
        if count < nr_files {
            self.flags |= MSG_CTRUNC;
        }
        if count > 0 {
            let bytes = u32::try_from(count).unwrap_or(0).saturating_mul(4);
            let len = HEAD.saturating_add(bytes);
            self.write_head(SCM_RIGHTS, len)?;
            self.advance(CmsgHdr::align(len));
        }
        Ok(())
    }
}

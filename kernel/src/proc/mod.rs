//! What `/proc` shows of the kernel: proc(5). The file system itself is `fs::procfs`.
//!
//! - [`ProcessView`]: answers procfs
//! - [`current`]: who looks, for `/proc/self`
//! - `status`: what it says of a process and of the pod; `limits`: the lines of a file
//! - `load`: load averages; `memory`: who has the memory of the pod

pub mod current;
mod limits;
mod load;
mod memory;
mod status;

pub use load::LoadAverage;

use std::sync::{Arc, Weak};

use abi::flags::{CAP_SYS_RESOURCE, O_CLOEXEC};
use abi::limits::{HOST_NAME_MAX, TASK_COMM_LEN};
use abi::types::Fd;
use abi::{Errno, Result};
use fs::procfs::source::{
    Descriptor, MemoryArea, Place, ProcessSource, ProcessStatus, SystemStatus,
};
use fs::vfs::Vfs;
use fs::vfs::file::FileOps;
use fs::vfs::path::Location;

use crate::fd_table::OnExec;
use crate::kernel::Kernel;
use crate::process::{Pid, Process};

/// The kernel, as procfs looks at it.
#[derive(Debug)]
pub struct ProcessView {
    kernel: Weak<Kernel>,
    boot_id: u128,
}

impl ProcessView {
    /// A view of `kernel`, which it does not keep alive.
    pub fn new(kernel: &Arc<Kernel>) -> Self {
        let mut boot_id = [0; 16];
        kernel.platform.fill_random(&mut boot_id);
        Self {
            kernel: Arc::downgrade(kernel),
            boot_id: u128::from_ne_bytes(boot_id),
        }
    }

    /// The process with this id, or that of the thread with this id; zombies included.
    fn process(&self, id: u32) -> Option<Arc<Process>> {
        let kernel = self.kernel.upgrade()?;
        kernel.processes.of_thread(Pid::try_from(id).ok()?)
    }

    /// What `show` says of a process, or nothing of a zombie, which has only its status left.
    fn living<T: Default>(&self, pid: u32, show: impl FnOnce(&Process) -> T) -> Option<T> {
        let process = self.process(pid)?;
        let is_living = self.kernel.upgrade()?.is_alive(process.pid);
        Some(if is_living {
            show(&process)
        } else {
            T::default()
        })
    }
}

/// A process id as procfs writes it.
fn unsigned(pid: Pid) -> u32 {
    u32::try_from(pid).unwrap_or(0)
}

impl ProcessSource for ProcessView {
    fn pids(&self) -> Vec<u32> {
        let pids = self.kernel.upgrade().map(|kernel| kernel.processes.pids());
        pids.unwrap_or_default().into_iter().map(unsigned).collect()
    }

    fn current(&self) -> Option<(u32, u32)> {
        let pid = current::pid()?;
        let running = self.kernel.upgrade().and_then(|kernel| {
            let process = kernel.processes.find(pid)?;
            let mut threads = process.threads().into_iter();
            let here = threads.find(|task| task.executor().is_current());
            let worker = here.or(process.task())?.executor().worker();
            kernel.task(kernel.frames.running(worker)?)
        });
        let tid = running
            .filter(|task| task.pid() == pid)
            .map_or(pid, |task| task.tid());
        Some((unsigned(pid), unsigned(tid)))
    }

    fn threads(&self, pid: u32) -> Option<Vec<u32>> {
        let ids = self.process(pid)?.thread_ids();
        Some(ids.into_iter().map(unsigned).collect())
    }

    fn status(&self, id: u32) -> Option<ProcessStatus> {
        let kernel = self.kernel.upgrade()?;
        let process = self.process(id)?;
        let relations = kernel.processes.relations(process.pid)?;
        let tid = Pid::try_from(id).ok()?;
        Some(status::of_thread(&kernel, &process, tid, relations))
    }

    fn arguments(&self, pid: u32) -> Option<Vec<u8>> {
        self.living(pid, |process| process.program.lock().cmdline.clone())
    }

    fn environment(&self, pid: u32) -> Option<Vec<u8>> {
        self.living(pid, |process| process.program.lock().environ.clone())
    }

    fn memory(&self, pid: u32) -> Option<Vec<MemoryArea>> {
        self.living(pid, |process| process.address_space().lock().areas())
    }

    fn limits(&self, pid: u32) -> Option<Vec<u8>> {
        let limits = self.process(pid)?.limits.lock().clone();
        Some(limits::text(&limits))
    }

    fn io(&self, pid: u32) -> Option<[u64; 4]> {
        Some(self.process(pid)?.io())
    }

    fn place(&self, pid: u32, which: Place) -> Option<Option<Location>> {
        self.living(pid, |process| match which {
            Place::Executable => process.program.lock().location.clone(),
            Place::WorkingDirectory => Some(process.fs.lock().cwd.clone()),
            Place::Root => Some(process.fs.lock().root.clone()),
        })
    }

    fn descriptors(&self, pid: u32) -> Option<Vec<u32>> {
        let process = self.process(pid)?;
        let files = process.files();
        Some(files.iter().map(|(Fd(fd), _, _)| unsigned(fd)).collect())
    }

    fn descriptor(&self, pid: u32, fd: u32) -> Option<Descriptor> {
        let fd = Fd(i32::try_from(fd).ok()?);
        let process = self.process(pid)?;
        let (file, on_exec) = {
            let files = process.files();
            (files.get(fd).ok()?, files.on_exec(fd).ok()?)
        };
        let close = if on_exec == OnExec::Close {
            O_CLOEXEC
        } else {
            0
        };
        Some(Descriptor {
            location: file.place().ok()?,
            position: file.position(),
            flags: file.flags() | close,
            details: file.ops().map(FileOps::details).unwrap_or_default(),
        })
    }

    fn set_comm(&self, pid: u32, comm: &[u8]) -> Result<()> {
        let process = self.process(pid).ok_or(Errno::ESRCH)?;
        let len = comm.len().min(TASK_COMM_LEN.saturating_sub(1));
        let comm = comm.get(..len).unwrap_or(comm).to_vec();
        match Pid::try_from(pid).ok().and_then(|tid| process.thread(tid)) {
            Some(thread) => thread.set_comm(comm),
            None => process.program.lock().comm = comm,
        }
        Ok(())
    }

    fn set_oom_score_adj(&self, pid: u32, value: i32) -> Result<()> {
        let process = self.process(pid).ok_or(Errno::ESRCH)?;
        let writer = current::pid().and_then(|pid| self.process(unsigned(pid)));
        let is_privileged = writer.is_none_or(|writer| writer.credentials().has(CAP_SYS_RESOURCE));
        let mut settings = process.settings.lock();
        if value < settings.oom_score_min && !is_privileged {
            return Err(Errno::EACCES.because("lower than it was set with privilege"));
        }
        settings.oom_score_adj = value;
        if is_privileged {
            settings.oom_score_min = value;
        }
        Ok(())
    }

    fn system(&self) -> SystemStatus {
        let Some(kernel) = self.kernel.upgrade() else {
            return SystemStatus::default();
        };
        SystemStatus {
            boot_id: self.boot_id,
            ..status::of_system(&kernel)
        }
    }

    fn pod_files(&self) -> &'static [&'static str] {
        &["memory", "pool"]
    }

    fn pod_file(&self, name: &str) -> Option<Vec<u8>> {
        let kernel = self.kernel.upgrade()?;
        match name {
            "pool" => Some(crate::memory::frames::text(&kernel)),
            "memory" => Some(memory::text(kernel.budget())),
            _ => None,
        }
    }

    fn network_file(&self, name: &str) -> Option<Vec<u8>> {
        let kernel = self.kernel.upgrade()?;
        (name == "unix").then(|| kernel.network.unix().proc_text())
    }

    fn set_hostname(&self, name: &[u8]) -> Result<()> {
        if name.len() > HOST_NAME_MAX {
            return Err(Errno::EINVAL.because("too long a name"));
        }
        let kernel = self.kernel.upgrade().ok_or(Errno::EACCES)?;
        *kernel.hostname.lock() = name.to_vec();
        Ok(())
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        if let Some(kernel) = self.kernel.upgrade() {
            kernel.platform.fill_random(bytes);
        }
    }

    #[expect(
        clippy::expect_used,
        reason = "the file system that asks is a part of the kernel"
    )]
    fn vfs(&self) -> Arc<Vfs> {
        Arc::clone(&self.kernel.upgrade().expect("the kernel is there").vfs)
    }
}

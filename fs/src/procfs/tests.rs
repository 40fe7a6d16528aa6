//! `/proc` over a made-up kernel with two processes.

use std::sync::{Arc, OnceLock};

use abi::{Errno, Result};
use executor::sync::Lock;

use super::source::{
    Descriptor, MemoryArea, MemoryStatus, MemoryUse, Place, ProcessSource, ProcessState,
    ProcessStatus, SystemStatus,
};
use crate::io::VecSink;
use crate::tmpfs::TmpFs;
use crate::vfs::device::NoDevices;
use crate::vfs::inode::{DirEntry, FileType, Metadata, Timestamp};
use crate::vfs::mount::MountCall;
use crate::vfs::path::Location;
use crate::vfs::{Caller, Context, Follow, Scope, Vfs};

/// The last is of another user than the one that asks, 42.
const PIDS: [u32; 3] = [1, 42, 77];

#[derive(Debug)]
struct Fake {
    vfs: OnceLock<Arc<Vfs>>,
    cwd: OnceLock<Location>,
    hostname: Lock<Vec<u8>>,
}

impl Fake {
    fn exists(&self, pid: u32) -> Option<()> {
        PIDS.contains(&pid).then_some(())
    }
}

impl ProcessSource for Fake {
    fn pids(&self) -> Vec<u32> {
        PIDS.to_vec()
    }

    fn current(&self) -> Option<(u32, u32)> {
        Some((42, 42))
    }

    fn status(&self, pid: u32) -> Option<ProcessStatus> {
        self.exists(pid)?;
        Some(ProcessStatus {
            pid,
            process: pid,
            parent: pid / 42,
            group: pid,
            session: 1,
            terminal: 0x8800,
            foreground_group: 42,
            comm: b"a (b".to_vec(),
            state: ProcessState::Sleeping,
            uids: [if pid == 77 { 0 } else { 1000 }; 4],
            gids: [100; 4],
            groups: vec![100, 7],
            umask: 0o22,
            nr_threads: 1,
            affinity: u64::MAX,
            capabilities: [0, 0, if pid == 77 { u64::MAX } else { 0 }, u64::MAX, 0],
            is_dumpable: true,
            max_pending_signals: 128,
            started_ns: 1_500_000_000,
            user_ns: 20_000_000,
            memory: MemoryStatus {
                virtual_bytes: 1 << 20,
                virtual_peak_bytes: 2 << 20,
                resident_bytes: 64 << 10,
                stack_bytes: 64 << 10,
            },
            ..ProcessStatus::default()
        })
    }

    fn arguments(&self, pid: u32) -> Option<Vec<u8>> {
        self.exists(pid).map(|()| b"sh\0-c\0".to_vec())
    }

    fn environment(&self, pid: u32) -> Option<Vec<u8>> {
        self.exists(pid).map(|()| b"A=b\0".to_vec())
    }

    fn memory(&self, pid: u32) -> Option<Vec<MemoryArea>> {
        self.exists(pid)?;
        let area = |start, end, usage| MemoryArea { start, end, usage };
        Some(vec![
            area(0, 0x1_0000, MemoryUse::Stack),
            area(0x1_0000, 0x1_2000, MemoryUse::Program),
            area(0x10_0000, 0x10_1000, MemoryUse::Anonymous),
        ])
    }

    fn limits(&self, pid: u32) -> Option<Vec<u8>> {
        self.exists(pid).map(|()| Vec::new())
    }

    fn io(&self, pid: u32) -> Option<[u64; 4]> {
        self.exists(pid).map(|()| [1, 2, 3, 4])
    }

    fn place(&self, pid: u32, which: Place) -> Option<Option<Location>> {
        self.exists(pid)?;
        Some(match which {
            Place::Executable => None,
            Place::WorkingDirectory => self.cwd.get().cloned(),
            Place::Root => self.vfs().root(),
        })
    }

    fn descriptors(&self, pid: u32) -> Option<Vec<u32>> {
        self.exists(pid).map(|()| vec![0, 3])
    }

    fn descriptor(&self, pid: u32, fd: u32) -> Option<Descriptor> {
        self.exists(pid)?;
        let location = match fd {
            0 => {
                let metadata = Metadata {
                    file_type: FileType::Fifo,
                    inode: 9,
                    ..self.vfs().root()?.metadata().ok()?
                };
                Location::anonymous(b"pipe:[9]", metadata, None).ok()?
            }
            3 => self.cwd.get()?.clone(),
            _ => return None,
        };
        Some(Descriptor {
            location,
            position: 5,
            flags: 0o100_002,
            details: String::from("Pid:\t7\n"),
        })
    }

    fn system(&self) -> SystemStatus {
        SystemStatus {
            uptime_ns: 12_345_678_901,
            total_bytes: 1 << 30,
            free_bytes: 1 << 29,
            nr_processors: 2,
            load_hundredths: [5, 110, 0],
            nr_running: 1,
            nr_processes: 2,
            last_pid: 42,
            hostname: self.hostname.lock().clone(),
            release: "6.12.0-shoal",
            version: "#1 SMP",
            ..SystemStatus::default()
        }
    }

    fn pod_files(&self) -> &'static [&'static str] {
        &["memory"]
    }

    fn pod_file(&self, name: &str) -> Option<Vec<u8>> {
        (name == "memory").then(|| b"used 5\n".to_vec())
    }

    fn set_hostname(&self, name: &[u8]) -> Result<()> {
        *self.hostname.lock() = name.to_vec();
        Ok(())
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        bytes.fill(0xab);
    }

    fn vfs(&self) -> Arc<Vfs> {
        Arc::clone(self.vfs.get().unwrap())
    }
}

struct World {
    vfs: Arc<Vfs>,
    root: Location,
}

impl World {
    fn new() -> Self {
        let time = Timestamp::default();
        let vfs = Arc::new(Vfs::new(Arc::new(NoDevices)));
        let tmpfs = Arc::new(TmpFs::new(1 << 20, time).unwrap());
        let root = vfs.mount_root(tmpfs, b"root", 0).unwrap();
        let world = Self {
            vfs: Arc::clone(&vfs),
            root,
        };
        let cx = world.cx();
        vfs.mkdir(&cx, b"/proc", 0o755).unwrap();
        let cwd = vfs.mkdir(&cx, b"/home", 0o755).unwrap();
        let fake = Fake {
            vfs: OnceLock::from(Arc::clone(&vfs)),
            cwd: OnceLock::from(cwd),
            hostname: Lock::new(b"pod".to_vec()),
        };
        vfs.set_processes(Arc::new(fake));
        let call = MountCall {
            source: b"proc",
            target: b"/proc",
            type_name: b"proc",
            flags: 0,
            data: b"",
        };
        vfs.mount(&cx, &call).unwrap();
        world
    }

    fn cx(&self) -> Context<'_> {
        Context {
            root: &self.root,
            cwd: &self.root,
            caller: Caller::ROOT,
            umask: 0,
            now: Timestamp::default(),
            scope: Scope::Everywhere,
        }
    }

    fn read(&self, path: &str) -> String {
        let location = self
            .vfs
            .walk(&self.cx(), path.as_bytes(), Follow::Yes)
            .unwrap();
        let mut text = Vec::new();
        loop {
            let mut sink = VecSink::new(7);
            let offset = u64::try_from(text.len()).unwrap();
            if location.inode.read_at(offset, &mut sink).unwrap() == 0 {
                return String::from_utf8(text).unwrap();
            }
            text.extend(sink.bytes);
        }
    }

    fn link(&self, path: &str) -> String {
        let target = self.vfs.read_link(&self.cx(), path.as_bytes()).unwrap();
        String::from_utf8(target).unwrap()
    }

    /// The names of a directory, read one at a time to try the cookies.
    fn names(&self, path: &str) -> Vec<String> {
        let location = self
            .vfs
            .walk(&self.cx(), path.as_bytes(), Follow::Yes)
            .unwrap();
        let mut names = Vec::new();
        let mut cookie = 0;
        loop {
            let mut found = None;
            let mut report = |entry: DirEntry<'_>| {
                let is_first = found.is_none();
                if is_first {
                    found = Some((entry.name.to_vec(), entry.next_cookie));
                }
                is_first
            };
            location.inode.read_dir(cookie, &mut report).unwrap();
            let Some((name, next)) = found else {
                return names;
            };
            names.push(String::from_utf8(name).unwrap());
            cookie = next;
        }
    }
}

#[test]
fn a_process_has_its_files() {
    let w = World::new();
    let stat = w.read("/proc/self/stat");
    let head = "42 (a (b) S 1 42 1 34816 42 4194304 0 0 0 0 2 0 0 0 20 0 1 0 150 1048576 16 ";
    assert!(stat.starts_with(head), "{stat}");
    assert_eq!(
        stat.rsplit(") ").next().unwrap().split_whitespace().count(),
        50
    );
    assert_eq!(w.read("/proc/42/statm"), "256 16 0 0 0 256 0\n");
    assert_eq!(w.read("/proc/42/cmdline"), "sh\0-c\0");
    assert_eq!(w.read("/proc/42/comm"), "a (b\n");
    let status = w.read("/proc/1/status");
    assert!(status.starts_with("Name:\ta (b\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t1\n"));
    for line in [
        "Uid:\t1000\t1000\t1000\t1000\n",
        "VmRSS:\t      64 kB\n",
        "Groups:\t100 7 \n",
        "FDSize:\t64\n",
        "NStgid:\t1\nNSpid:\t1\nNSpgid:\t1\nNSsid:\t1\n",
        "SigQ:\t0/128\n",
    ] {
        assert!(status.contains(line), "{line:?} in {status}");
    }
    assert!(status.contains("Cpus_allowed:\t3\nCpus_allowed_list:\t0-1\n"));
    assert_eq!(w.read("/proc/thread-self/comm"), "a (b\n");
}

#[test]
fn links_lead_to_the_files_themselves() {
    let w = World::new();
    assert_eq!(w.link("/proc/self"), "42");
    assert_eq!(w.link("/proc/thread-self"), "42/task/42");
    assert_eq!(w.link("/proc/self/cwd"), "/home");
    assert_eq!(w.link("/proc/self/root"), "/");
    assert_eq!(w.link("/proc/self/fd/0"), "pipe:[9]");
    assert_eq!(w.link("/proc/self/fd/3"), "/home");
    let walk = |path: &[u8]| w.vfs.walk(&w.cx(), path, Follow::Yes);
    assert_eq!(
        walk(b"/proc/self/cwd/../home").unwrap().absolute_path(),
        b"/home"
    );
    assert_eq!(
        walk(b"/proc/self/fd/0").unwrap().file_type(),
        FileType::Fifo
    );
    assert_eq!(walk(b"/proc/self/exe").unwrap_err().errno, Errno::ENOENT);
    assert_eq!(walk(b"/proc/self/fd/1").unwrap_err().errno, Errno::ENOENT);
    assert_eq!(walk(b"/proc/042").unwrap_err().errno, Errno::ENOENT);
    let opened = w.vfs.open(&w.cx(), b"/proc/self/fd/3", 0, 0).unwrap();
    assert_eq!(opened.location.absolute_path(), b"/home");
    assert_eq!(
        w.read("/proc/self/fdinfo/3").lines().next(),
        Some("pos:\t5")
    );
}

#[test]
fn directories_list_each_name_once() {
    let w = World::new();
    let names = w.names("/proc");
    assert_eq!(&names[names.len() - 3..], ["1", "42", "77"]);
    for name in ["self", "meminfo", "sys", "mounts", "uptime"] {
        assert_eq!(
            names.iter().filter(|other| *other == name).count(),
            1,
            "{name}"
        );
    }
    assert_eq!(w.names("/proc/42/fd"), ["0", "3"]);
    assert_eq!(w.names("/proc/42/task"), ["42"]);
    assert!(!w.names("/proc/42/task/42").contains(&"task".to_owned()));
    assert_eq!(w.names("/proc/sys"), ["fs", "kernel", "net", "vm"]);
}

#[test]
fn the_system_has_its_files() {
    let w = World::new();
    assert_eq!(w.read("/proc/uptime"), "12.34 0.00\n");
    assert_eq!(w.read("/proc/loadavg"), "0.05 1.10 0.00 1/2 42\n");
    let meminfo = w.read("/proc/meminfo");
    assert!(meminfo.starts_with("MemTotal:        1048576 kB\nMemFree:          524288 kB\n"));
    assert!(
        w.read("/proc/stat")
            .starts_with("cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 ")
    );
    assert_eq!(w.read("/proc/cpuinfo").matches("processor\t:").count(), 2);
    assert!(w.read("/proc/filesystems").contains("nodev\tproc\n"));
    assert_eq!(
        w.read("/proc/mounts").lines().nth(1),
        Some("proc /proc proc rw,relatime 0 0")
    );
    assert_eq!(w.read("/proc/self/mountinfo").lines().count(), 2);
}

#[test]
fn settings_are_read_and_written() {
    let w = World::new();
    assert_eq!(w.read("/proc/sys/kernel/hostname"), "pod\n");
    assert_eq!(w.read("/proc/sys/kernel/osrelease"), "6.12.0-shoal\n");
    let uuid = w.read("/proc/sys/kernel/random/uuid");
    assert_eq!(uuid, "abababab-abab-4bab-abab-abababababab\n");
    let hostname = w
        .vfs
        .open(&w.cx(), b"/proc/sys/kernel/hostname", 0o1001, 0)
        .unwrap();
    let written =
        hostname
            .location
            .inode
            .write_at(0, &mut b"new\n".as_slice(), Timestamp::default());
    assert_eq!(written, Ok(4));
    assert_eq!(w.read("/proc/sys/kernel/hostname"), "new\n");
}

#[test]
fn memory_is_shown_by_use() {
    let w = World::new();
    let maps = w.read("/proc/42/maps");
    let lines: Vec<&str> = maps.lines().collect();
    let indent = " ".repeat(10);
    let stack = format!(
        "00000000-00010000 rw-p 00000000 00:00 0 {}[stack]",
        &indent[1..]
    );
    assert_eq!(lines[0], stack);
    assert_eq!(lines[2], "00100000-00101000 rw-p 00000000 00:00 0 ");
    let smaps = w.read("/proc/42/smaps");
    assert!(smaps.contains("Size:                  8 kB\nKernelPageSize:        4 kB\n"));
    assert_eq!(smaps.matches("VmFlags: rd wr").count(), lines.len());
    let rollup = w.read("/proc/42/smaps_rollup");
    assert!(rollup.starts_with("00000000-00101000 ---p 00000000 00:00 0 "));
    assert!(
        rollup.contains("[rollup]\nRss:                  76 kB\n"),
        "{rollup}"
    );
}

#[test]
fn links_of_other_users_lead_nowhere() {
    let w = World::new();
    let walk = |path: &[u8]| w.vfs.walk(&w.cx(), path, Follow::Yes);
    for path in ["/proc/77/cwd", "/proc/77/root", "/proc/77/fd/3"] {
        assert_eq!(walk(path.as_bytes()).unwrap_err().errno, Errno::EACCES);
        let link = w.vfs.read_link(&w.cx(), path.as_bytes());
        assert_eq!(link.unwrap_err().errno, Errno::EACCES);
    }
    assert!(walk(b"/proc/1/cwd").is_ok());
    assert!(w.read("/proc/77/status").starts_with("Name:\ta (b\n"));
}

#[test]
fn links_of_descriptors_tell_how_they_were_opened() {
    let w = World::new();
    let link = w.vfs.walk(&w.cx(), b"/proc/self/fd/0", Follow::No).unwrap();
    let metadata = link.metadata().unwrap();
    assert_eq!((metadata.permissions, metadata.size), (0o700, 64));
    let all = w.vfs.walk(&w.cx(), b"/proc/self/fd", Follow::No).unwrap();
    assert_eq!(all.metadata().unwrap().size, 2);
}

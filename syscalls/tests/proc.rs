//! What processes see of each other in `/proc`: proc(5).

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail as tests do"
)]

mod common;

use abi::Errno;
use common::{
    ANY, DATA, Guest, Result, SECOND, SIG_IGN, SIGKILL, SIGSTOP, SIGUSR1, STRINGS, World,
};
use kernel::process::INFINITY;

const AT_FDCWD: u32 = u32::MAX - 99;
const O_WRONLY: u32 = 1;
const O_RDWR: u32 = 2;
const O_CLOEXEC: u32 = 0o2_000_000;
const PR_SET_NAME: u32 = 15;
const PR_SET_NO_NEW_PRIVS: u32 = 38;

/// What the process's own calls need of `/proc`.
impl Guest {
    fn open(&self, path: &str, flags: u32) -> Result {
        let path = self.put_string(STRINGS, path.as_bytes());
        self.sys("openat", &[AT_FDCWD, path, flags, 0])
    }

    /// Reads all of a file, in pieces of `step` bytes.
    fn read_by(&self, path: &str, step: u32) -> Result<String> {
        let fd = self.open(path, 0)?;
        let mut text = Vec::new();
        loop {
            let len = self.sys("read", &[fd, DATA, step])?;
            if len == 0 {
                break;
            }
            text.extend(self.bytes(DATA, usize::try_from(len).unwrap()).unwrap());
        }
        self.sys("close", &[fd])?;
        Ok(String::from_utf8(text).unwrap())
    }

    fn read(&self, path: &str) -> Result<String> {
        self.read_by(path, 4096)
    }

    fn link(&self, path: &str) -> Result<String> {
        let path = self.put_string(STRINGS, path.as_bytes());
        let len = self.sys("readlinkat", &[AT_FDCWD, path, DATA, 256])?;
        let target = self.bytes(DATA, usize::try_from(len).unwrap()).unwrap();
        Ok(String::from_utf8(target).unwrap())
    }

    /// The value of a line of `/proc/PID/status`.
    fn status(&self, pid: u32, name: &str) -> String {
        let text = self.read(&format!("/proc/{pid}/status")).unwrap();
        let mut lines = text.lines().filter_map(|line| line.split_once(":\t"));
        let (_, value) = lines.find(|(key, _)| *key == name).unwrap();
        value.to_owned()
    }

    /// A field of `/proc/PID/stat`, counted as in proc(5), from 3 on.
    fn stat(&self, pid: u32, field: usize) -> String {
        let text = self.read(&format!("/proc/{pid}/stat")).unwrap();
        let (_, rest) = text.rsplit_once(") ").unwrap();
        rest.split_whitespace().nth(field - 3).unwrap().to_owned()
    }

    /// The entries of a directory.
    fn names(&self, path: &str) -> Vec<String> {
        let fd = self.open(path, 0).unwrap();
        let mut names = Vec::new();
        loop {
            let len = self.sys("getdents64", &[fd, DATA, 512]).unwrap();
            if len == 0 {
                self.sys("close", &[fd]).unwrap();
                return names;
            }
            let bytes = self.bytes(DATA, usize::try_from(len).unwrap()).unwrap();
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let len = usize::from(u16::from_le_bytes([rest[16], rest[17]]));
                let name = rest[19..len].split(|&byte| byte == 0).next().unwrap();
                names.push(String::from_utf8(name.to_vec()).unwrap());
                rest = &rest[len..];
            }
        }
    }
}

#[test]
fn self_is_whoever_looks() {
    let world = World::new();
    let (one, other) = (world.guest(), world.guest());
    for guest in [&one, &other, &one] {
        let id = guest.id().to_string();
        assert_eq!(guest.link("/proc/self").unwrap(), id);
        assert_eq!(guest.status(guest.id(), "Pid"), id);
        let stat = guest.read("/proc/self/stat").unwrap();
        assert!(stat.starts_with(&format!("{id} (init) R ")), "{stat}");
        assert_eq!(
            guest.link("/proc/thread-self").unwrap(),
            format!("{id}/task/{id}")
        );
        assert_eq!(guest.names("/proc/thread-self/fd"), [".", "..", "0"]);
    }
    // An open directory stays that of the process that looked it up.
    let fd = one.open("/proc/self", 0).unwrap();
    assert_eq!(
        one.link(&format!("/proc/self/fd/{fd}")).unwrap(),
        format!("/proc/{}", one.id())
    );
}

#[test]
fn texts_are_the_same_in_pieces() {
    let world = World::new();
    let guest = world.guest();
    for path in ["/proc/self/status", "/proc/self/limits", "/proc/meminfo"] {
        let whole = guest.read(path).unwrap();
        assert!(whole.ends_with('\n') && whole.lines().count() > 10);
        assert_eq!(guest.read_by(path, 7).unwrap(), whole, "{path}");
    }
    let unlimited = guest.read("/proc/self/limits").unwrap();
    assert!(unlimited.contains(
        "Max cpu time              unlimited            unlimited            seconds   \n"
    ));
    assert_eq!(INFINITY, u64::MAX);
}

#[test]
fn program_has_its_file_arguments_and_environment() {
    let world = World::new();
    let parent = world.guest();
    assert_eq!(parent.sys("vfork", &[]), Ok(0));
    let child = parent.exec(b"/init", &[b"ls", b"-l"], &[b"A=b", b"C="]);
    let child = world.running(child.unwrap());
    let id = child.id();
    let file = |name: &str| format!("/proc/{id}/{name}");
    assert_eq!(parent.read(&file("cmdline")).unwrap(), "ls\0-l\0");
    assert_eq!(parent.read(&file("environ")).unwrap(), "A=b\0C=\0");
    assert_eq!(parent.read(&file("comm")).unwrap(), "init\n");
    assert_eq!(parent.link(&file("exe")).unwrap(), "/init");
    assert_eq!(parent.link(&file("cwd")).unwrap(), "/");
    assert_eq!(parent.link(&file("root")).unwrap(), "/");
    assert_eq!(parent.status(id, "PPid"), parent.id().to_string());
    child.put_string(STRINGS, b"a name that is too long");
    child
        .sys("prctl", &[PR_SET_NAME, STRINGS, 0, 0, 0])
        .unwrap();
    child
        .sys("prctl", &[PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0])
        .unwrap();
    assert_eq!(parent.read(&file("comm")).unwrap(), "a name that is \n");
    assert_eq!(parent.status(id, "NoNewPrivs"), "1");
    let fd = parent.open(&file("comm"), O_WRONLY).unwrap();
    parent.put_string(DATA, b"other\n");
    assert_eq!(parent.sys("write", &[fd, DATA, 6]), Ok(6));
    assert_eq!(child.status(id, "Name"), "other");
}

#[test]
fn memory_has_stack_program_heap_and_mappings() {
    let world = World::new();
    let guest = world.guest();
    let maps = guest.read("/proc/self/maps").unwrap();
    assert!(maps.starts_with("00000000-00010000 rw-p 00000000 00:00 0          [stack]\n"));
    let total = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        let number = line.split_whitespace().nth(1).unwrap();
        number.parse::<u64>().unwrap()
    };
    let before = total(&guest.read("/proc/self/status").unwrap());
    let address = guest
        .sys("mmap2", &[0, 0x3000, 3, 0x22, u32::MAX, 0])
        .unwrap();
    let maps = guest.read("/proc/self/maps").unwrap();
    let line = format!(
        "{address:08x}-{:08x} rw-p 00000000 00:00 0 \n",
        address + 0x3000
    );
    assert!(maps.ends_with(&line), "{maps}");
    assert_eq!(
        total(&guest.read("/proc/self/status").unwrap()),
        before + 12
    );
    let smaps = guest.read("/proc/self/smaps").unwrap();
    assert!(smaps.contains(&format!("{line}Size:                 12 kB\n")));
}

#[test]
fn descriptors_are_links_to_what_is_open() {
    let world = World::new();
    let guest = world.guest();
    let null = guest.open("/dev/null", O_RDWR | O_CLOEXEC).unwrap();
    let (read_end, _) = guest.pipe();
    let fd = |fd: u32| format!("/proc/self/fd/{fd}");
    assert_eq!(guest.link(&fd(null)).unwrap(), "/dev/null");
    assert!(guest.link(&fd(read_end)).unwrap().starts_with("pipe:["));
    assert_eq!(guest.link("/proc/self/fd/77"), Err(Errno::ENOENT));
    let info = guest.read(&format!("/proc/self/fdinfo/{null}")).unwrap();
    assert!(
        info.starts_with("pos:\t0\nflags:\t02000002\nmnt_id:\t"),
        "{info}"
    );
    // The fourth is the directory itself.
    let names = guest.names("/proc/self/fd");
    assert_eq!(names, [".", "..", "0", "1", "2", "3"]);
    // Each opens the file again; of a file without a name, too.
    let (written, writer) = guest.pipe();
    let again = guest.open(&fd(writer), O_WRONLY).unwrap();
    guest.put_string(DATA, b"hello");
    assert_eq!(guest.sys("write", &[again, DATA, 5]), Ok(5));
    assert_eq!(guest.sys("read", &[written, DATA, 9]), Ok(5));
    // Nobody writes any more: the end of the file, and no wait for a writer.
    guest.sys("close", &[writer]).unwrap();
    guest.sys("close", &[again]).unwrap();
    let other = guest.open(&fd(written), 0).unwrap();
    assert_eq!(guest.sys("read", &[other, DATA, 9]), Ok(0));
}

#[test]
fn states_signals_and_times_are_shown() {
    let world = World::new();
    let parent = world.guest();
    let child = world.child(&parent);
    let id = child.id();
    child.on(SIGUSR1, SIG_IGN, 0);
    child.on(SIGUSR1 + 2, 1234, 0);
    child.set_mask(1 << 14).unwrap();
    parent.kill(id, 15).unwrap();
    assert_eq!(parent.status(id, "SigIgn"), "0000000000000200");
    assert_eq!(parent.status(id, "SigCgt"), "0000000000000800");
    assert_eq!(parent.status(id, "SigBlk"), "0000000000004000");
    assert_eq!(parent.status(id, "ShdPnd"), "0000000000004000");
    parent.kill(id, SIGSTOP).unwrap();
    let _parked = child.sys("getpid", &[]);
    world.run();
    assert_eq!(parent.stat(id, 3), "T");
    parent.kill(id, SIGKILL).unwrap();
    world.run();
    assert_eq!(parent.stat(id, 3), "Z");
    assert_eq!(parent.status(id, "State"), "Z (zombie)");
    let empty = [("cmdline", ""), ("environ", ""), ("maps", "")];
    for (name, text) in empty {
        assert_eq!(parent.read(&format!("/proc/{id}/{name}")).unwrap(), text);
    }
    assert_eq!(parent.link(&format!("/proc/{id}/cwd")), Err(Errno::ENOENT));
    assert_eq!(parent.stat(id, 23), "0");
    assert_eq!(parent.stat(id, 52), "9");
    parent.wait(ANY, 0).unwrap();
    let gone = parent.read(&format!("/proc/{id}/stat"));
    assert_eq!(gone, Err(Errno::ENOENT));
    world.advance(3 * SECOND);
    assert!(parent.read("/proc/uptime").unwrap().starts_with("3.00 "));
    assert!(parent.stat(parent.id(), 14).parse::<u64>().unwrap() <= 300);
}

#[test]
fn file_of_a_process_that_ended_says_esrch() {
    let world = World::new();
    let parent = world.guest();
    let child = world.child(&parent);
    let fd = parent
        .open(&format!("/proc/{}/stat", child.id()), 0)
        .unwrap();
    parent.kill(child.id(), SIGKILL).unwrap();
    assert_eq!(child.sys("getpid", &[]), Err(Errno::ECANCELED));
    parent.wait(ANY, 0).unwrap();
    assert_eq!(parent.sys("read", &[fd, DATA, 64]), Err(Errno::ESRCH));
}

#[test]
fn places_of_other_users_are_closed() {
    let world = World::new();
    let (root, user) = (world.guest(), world.guest());
    user.sys("setresuid", &[1000, 1000, 1000]).unwrap();
    let theirs = |name: &str| format!("/proc/{}/{name}", root.id());
    for name in ["cwd", "root", "exe"] {
        assert_eq!(user.link(&theirs(name)), Err(Errno::EACCES), "{name}");
    }
    assert_eq!(user.open(&theirs("environ"), 0), Err(Errno::EACCES));
    assert_eq!(user.open(&theirs("fd"), 0), Err(Errno::EACCES));
    assert!(user.read(&theirs("stat")).is_ok());
    assert_eq!(user.link("/proc/self/exe").unwrap(), "/init");
    assert_eq!(
        root.link(&format!("/proc/{}/exe", user.id())).unwrap(),
        "/init"
    );
}

#[test]
fn pod_has_names_and_an_identity() {
    let world = World::new();
    let guest = world.guest();
    let setting = |name: &str| guest.read(&format!("/proc/sys/kernel/{name}")).unwrap();
    assert_eq!(setting("hostname"), "test\n");
    assert_eq!(setting("ostype"), "Linux\n");
    assert_eq!(setting("domainname"), "(none)\n");
    assert_eq!(setting("random/boot_id"), setting("random/boot_id"));
    assert_ne!(setting("random/uuid"), setting("random/uuid"));
    let fd = guest.open("/proc/sys/kernel/hostname", O_WRONLY).unwrap();
    guest.put_string(DATA, b"pod\n");
    assert_eq!(guest.sys("write", &[fd, DATA, 4]), Ok(4));
    assert_eq!(setting("hostname"), "pod\n");
    let mounts = guest.read("/proc/mounts").unwrap();
    let lines: Vec<&str> = mounts.lines().collect();
    assert_eq!(lines[2], "devpts /dev/pts devpts rw,relatime 0 0");
    assert_eq!(lines[3], "proc /proc proc rw,relatime 0 0");
}

#[test]
fn files_of_proc_cannot_be_mapped() {
    const MAP_SHARED: u32 = 1;
    const MAP_PRIVATE: u32 = 2;
    let world = World::new();
    let guest = world.guest();
    // It tells of the memory that it would be mapped to.
    let path = guest.put_string(DATA, b"/proc/self/status");
    let fd = guest.sys("open", &[path, 0, 0]).unwrap();
    for kind in [MAP_SHARED, MAP_PRIVATE] {
        let mapped = guest.sys("mmap2", &[0, 4096, 1, kind, fd, 0]);
        assert_eq!(mapped, Err(Errno::ENODEV));
    }
}

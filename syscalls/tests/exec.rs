//! What execve(2) runs and refuses: modules, scripts, other files; arguments, descriptors, ids.

#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "test code"
)]

mod common;

use std::collections::HashMap;

use abi::Errno;
use common::{DATA, Guest, STRINGS, World};
use kernel::testing::{PROGRAM, PROGRAM_PATH};

const AT_PAGESZ: u32 = 6;
const AT_RANDOM: u32 = 25;
const AT_EXECFN: u32 = 31;

/// A world with programs in `/bin`.
fn world() -> World {
    let world = World::new();
    let files: [(&[u8], u32, &[u8]); 9] = [
        (b"/bin-sh", 0o755, PROGRAM),
        (b"/private", 0o644, PROGRAM),
        (b"/text", 0o755, b"echo hello\n"),
        (
            b"/elf",
            0o755,
            b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0",
        ),
        (b"/empty", 0o755, b""),
        (b"/cut", 0o755, b"\0asm\x01\0\0\0\x01\xff"),
        (b"/script", 0o755, b"#!/bin-sh\n"),
        (b"/option", 0o755, b"#! \t/bin-sh  -e -x \nexit\n"),
        (b"/lost", 0o755, b"#!/no/such/shell\n"),
    ];
    for (path, mode, contents) in files {
        world.write_file(path, mode, contents).unwrap();
    }
    world
}

/// `argv` of the guest's program, read from its stack.
fn argv_of(guest: &Guest) -> Vec<Vec<u8>> {
    let (strings, _) = list_of(guest, first_word(guest) + 4);
    strings
}

/// The address of `argc`.
fn first_word(guest: &Guest) -> u32 {
    guest.stack().unwrap()
}

/// The strings of a null-ended list, and the address behind it.
fn list_of(guest: &Guest, mut at: u32) -> (Vec<Vec<u8>>, u32) {
    let mut strings = Vec::new();
    loop {
        let pointer = guest.word(at).unwrap();
        at += 4;
        if pointer == 0 {
            return (strings, at);
        }
        strings.push(guest.string(pointer).unwrap());
    }
}

/// The auxiliary vector behind the arguments and the environment.
fn auxv_of(guest: &Guest) -> HashMap<u32, u32> {
    let (_, envp) = list_of(guest, first_word(guest) + 4);
    let (_, mut at) = list_of(guest, envp);
    let mut auxv = HashMap::new();
    while guest.word(at) != Ok(0) {
        auxv.insert(guest.word(at).unwrap(), guest.word(at + 4).unwrap());
        at += 8;
    }
    auxv
}

/// Runs `path` in a child of `parent`.
fn run(world: &World, parent: &Guest, path: &[u8], argv: &[&[u8]], envp: &[&[u8]]) -> Guest {
    assert_eq!(parent.sys("vfork", &[]), Ok(0));
    world.running(parent.exec(path, argv, envp).unwrap())
}

#[test]
fn program_finds_its_arguments_environment_and_auxiliary_vector() {
    let world = world();
    let parent = world.guest();
    let guest = run(
        &world,
        &parent,
        b"/bin-sh",
        &[b"sh", b"", b"-c"],
        &[b"A=1", b"B"],
    );
    let argc = first_word(&guest);
    assert_eq!(argc % 16, 0);
    assert_eq!(guest.word(argc), Ok(3));
    let (argv, next) = list_of(&guest, argc + 4);
    assert_eq!(argv, [&b"sh"[..], b"", b"-c"]);
    let (envp, _) = list_of(&guest, next);
    assert_eq!(envp, [&b"A=1"[..], b"B"]);
    let auxv = auxv_of(&guest);
    assert_eq!(auxv[&AT_PAGESZ], 4096);
    assert_eq!(guest.string(auxv[&AT_EXECFN]), Ok(b"/bin-sh".to_vec()));
    assert_ne!(guest.bytes(auxv[&AT_RANDOM], 16).unwrap(), [0; 16]);
}

#[test]
fn missing_name_of_the_program_is_an_empty_string() {
    let world = world();
    let parent = world.guest();
    assert_eq!(parent.sys("vfork", &[]), Ok(0));
    let path = parent.put_string(STRINGS, b"/bin-sh");
    let guest = world.running(parent.sys("execve", &[path, 0, 0]).unwrap());
    assert_eq!(argv_of(&guest), [b""]);
}

#[test]
fn what_cannot_run_is_refused_and_the_old_program_goes_on() {
    let world = world();
    let guest = world.guest();
    let refused: [(&[u8], Errno); 12] = [
        (b"/nothing", Errno::ENOENT),
        (b"", Errno::ENOENT),
        (b"/text/sub", Errno::ENOTDIR),
        (b"/tmp", Errno::EACCES),
        (b"/dev/null", Errno::EACCES),
        (b"/private", Errno::EACCES),
        (b"/text", Errno::ENOEXEC),
        (b"/elf", Errno::ENOEXEC),
        (b"/empty", Errno::ENOEXEC),
        (b"/cut", Errno::ENOEXEC),
        (b"/lost", Errno::ENOENT),
        (b"/loop", Errno::ELOOP),
    ];
    world.write_file(b"/loop", 0o755, b"#!/loop\n").unwrap();
    for (path, errno) in refused {
        let name = String::from_utf8_lossy(path);
        assert_eq!(guest.exec(path, &[path], &[]), Err(errno), "{name}");
        assert_eq!(guest.sys("getpid", &[]), Ok(guest.id()));
    }
    assert_eq!(
        guest.sys("execve", &[0xffff_e000, 0, 0]),
        Err(Errno::EFAULT)
    );
    let path = guest.put_string(STRINGS, b"/bin-sh");
    assert_eq!(
        guest.sys("execve", &[path, 0xffff_e000, 0]),
        Err(Errno::EFAULT)
    );
    assert_eq!(
        guest.sys("execve", &[path, 0, 0xffff_e000]),
        Err(Errno::EFAULT)
    );
}

#[test]
fn script_runs_its_interpreter_with_one_option() {
    let world = world();
    let parent = world.guest();
    let guest = run(&world, &parent, b"/script", &[b"name", b"one", b"two"], &[]);
    let auxv = auxv_of(&guest);
    assert_eq!(guest.string(auxv[&AT_EXECFN]), Ok(b"/script".to_vec()));
    assert_eq!(
        argv_of(&guest),
        [&b"/bin-sh"[..], b"/script", b"one", b"two"]
    );
    assert_eq!(guest.process.program.lock().comm, b"script");
    let guest = run(&world, &parent, b"/option", &[b"name"], &[]);
    assert_eq!(argv_of(&guest), [&b"/bin-sh"[..], b"-e -x", b"/option"]);
}

#[test]
fn scripts_of_scripts_run_to_a_depth_of_five() {
    let world = world();
    let parent = world.guest();
    world.write_file(b"/s1", 0o755, b"#!/bin-sh 1\n").unwrap();
    for depth in 2..=6 {
        let path = format!("/s{depth}");
        let text = format!("#!/s{} {depth}\n", depth - 1);
        world
            .write_file(path.as_bytes(), 0o755, text.as_bytes())
            .unwrap();
    }
    let guest = run(&world, &parent, b"/s2", &[b"x", b"y"], &[]);
    assert_eq!(
        argv_of(&guest),
        [&b"/bin-sh"[..], b"1", b"/s1", b"2", b"/s2", b"y"]
    );
    let guest = run(&world, &parent, b"/s5", &[b"x"], &[]);
    assert_eq!(argv_of(&guest).len(), 11);
    assert_eq!(parent.exec(b"/s6", &[b"x"], &[]), Err(Errno::ELOOP));
}

#[test]
fn interpreter_that_is_text_is_refused() {
    let world = world();
    let guest = world.guest();
    world.write_file(b"/bad", 0o755, b"#!/text\n").unwrap();
    world
        .write_file(b"/locked", 0o755, b"#!/private\n")
        .unwrap();
    assert_eq!(guest.exec(b"/bad", &[b"x"], &[]), Err(Errno::ENOEXEC));
    assert_eq!(guest.exec(b"/locked", &[b"x"], &[]), Err(Errno::EACCES));
}

#[test]
fn long_interpreter_lines_are_refused_or_cut() {
    let world = world();
    let parent = world.guest();
    let long = [b"#!/", &[b'x'; 300][..], b"\n"].concat();
    world.write_file(b"/long", 0o755, &long).unwrap();
    assert_eq!(parent.exec(b"/long", &[b"x"], &[]), Err(Errno::ENOEXEC));
    let argument = [b"#!/bin-sh ", &[b'a'; 300][..], b"\n"].concat();
    world.write_file(b"/wide", 0o755, &argument).unwrap();
    let guest = run(&world, &parent, b"/wide", &[b"x"], &[]);
    let argv = argv_of(&guest);
    assert_eq!((argv.len(), argv.get(1).map(Vec::len)), (3, Some(256 - 10)));
}

#[test]
fn too_many_or_too_long_arguments_are_e2big() {
    let world = world();
    let guest = world.guest();
    let many: Vec<&[u8]> = vec![&[b'x'; 60]; 300];
    assert_eq!(guest.exec(b"/bin-sh", &many, &[]), Err(Errno::E2BIG));
    assert_eq!(guest.exec(b"/bin-sh", &[b"sh"], &many), Err(Errno::E2BIG));
    // A list that never ends, and a string that never ends.
    guest.put(0x1_0000, &[b'y'; 0x2_8000]).unwrap();
    let path = guest.put_string(0x3_9000, b"/bin-sh");
    let endless = guest.put_words(0x3_9100, &[0x1_0000, 0]);
    assert_eq!(guest.sys("execve", &[path, endless, 0]), Err(Errno::E2BIG));
    let long = guest.put_string(0x3_9200, &[b'z'; 200]);
    let pointers = vec![long; 0x4000];
    let list = guest.put_words(0x1_0000, &pointers);
    assert_eq!(guest.sys("execve", &[path, list, 0]), Err(Errno::E2BIG));
}

#[test]
fn exec_closes_what_is_marked_and_keeps_the_rest() {
    const O_CLOEXEC: u32 = 0o2_000_000;
    let world = world();
    let guest = world.guest();
    let open = |flags: u32| {
        let path = guest.put_string(STRINGS, b"/dev/null");
        guest.sys("open", &[path, flags, 0]).unwrap()
    };
    let (kept, closed) = (open(0), open(O_CLOEXEC));
    assert_eq!(guest.exec(b"/lost", &[b"x"], &[]), Err(Errno::ENOENT));
    assert_eq!(guest.sys("fcntl64", &[closed, 1, 0]), Ok(1));
    assert_eq!(guest.exec(b"/bin-sh", &[b"sh"], &[]), Err(Errno::ECANCELED));
    world.run();
    guest.start_over();
    assert_eq!(guest.sys("fcntl64", &[kept, 1, 0]), Ok(0));
    assert_eq!(guest.sys("fcntl64", &[closed, 1, 0]), Err(Errno::EBADF));
    assert_eq!(guest.process.program.lock().comm, b"bin-sh");
    assert_eq!(argv_of(&guest), [b"sh"]);
}

#[test]
fn memory_of_the_old_program_is_gone_after_exec() {
    let world = world();
    let guest = world.guest();
    let address = guest.sys("mmap2", &[0, 4096, 3, 0x22, u32::MAX, 0]);
    let far = address.unwrap();
    for at in [0x100, far] {
        guest.put(at, b"secret").unwrap();
    }
    assert_eq!(guest.exec(b"/bin-sh", &[b"sh"], &[]), Err(Errno::ECANCELED));
    world.run();
    for at in [0x100, far] {
        assert_eq!(guest.bytes(at, 6).unwrap(), [0; 6], "{at:#x}");
    }
}

#[test]
fn set_id_bits_change_the_effective_ids() {
    let world = world();
    let parent = world.guest();
    world.write_file(b"/su", 0o755, PROGRAM).unwrap();
    let path = parent.put_string(STRINGS, b"/su");
    assert_eq!(parent.sys("chown", &[path, 33, 44]), Ok(0));
    assert_eq!(parent.sys("chmod", &[path, 0o6755]), Ok(0));
    let ids = |guest: &Guest| {
        ["getuid", "geteuid", "getgid", "getegid"].map(|name| guest.sys(name, &[]).unwrap())
    };
    let guest = run(&world, &parent, b"/su", &[b"su"], &[]);
    assert_eq!(ids(&guest), [0, 33, 0, 44]);
    // Those of a script mean nothing.
    let path = parent.put_string(STRINGS, b"/script");
    assert_eq!(parent.sys("chown", &[path, 33, 44]), Ok(0));
    assert_eq!(parent.sys("chmod", &[path, 0o6755]), Ok(0));
    let guest = run(&world, &parent, b"/script", &[b"script"], &[]);
    assert_eq!(ids(&guest), [0, 0, 0, 0]);
    // prctl(PR_SET_NO_NEW_PRIVS)
    assert_eq!(parent.sys("prctl", &[38, 1, 0, 0, 0]), Ok(0));
    let guest = run(&world, &parent, b"/su", &[b"su"], &[]);
    assert_eq!(ids(&guest), [0, 0, 0, 0]);
}

#[test]
fn mounts_refuse_programs_or_their_set_id_bits() {
    const MS_NOSUID: u32 = 2;
    const MS_NOEXEC: u32 = 8;
    let world = world();
    let parent = world.guest();
    for (target, flags) in [(&b"/nosuid"[..], MS_NOSUID), (b"/noexec", MS_NOEXEC)] {
        let kind = parent.put_string(DATA, b"tmpfs");
        let target = parent.put_string(STRINGS, target);
        assert_eq!(parent.sys("mkdir", &[target, 0o755]), Ok(0));
        let mounted = parent.sys("mount", &[kind, target, kind, flags, 0]);
        assert_eq!(mounted, Ok(0));
    }
    for path in [&b"/nosuid/su"[..], b"/noexec/su"] {
        world.write_file(path, 0o755, PROGRAM).unwrap();
        let path = parent.put_string(STRINGS, path);
        assert_eq!(parent.sys("chown", &[path, 33, 44]), Ok(0));
        assert_eq!(parent.sys("chmod", &[path, 0o6755]), Ok(0));
    }
    world
        .write_file(b"/refused", 0o755, b"#!/noexec/su\n")
        .unwrap();
    for path in [&b"/noexec/su"[..], b"/refused"] {
        assert_eq!(parent.exec(path, &[b"x"], &[]), Err(Errno::EACCES));
    }
    let guest = run(&world, &parent, b"/nosuid/su", &[b"su"], &[]);
    assert_eq!(guest.sys("geteuid", &[]), Ok(0));
    assert_eq!(guest.sys("getegid", &[]), Ok(0));
}

#[test]
fn ordinary_users_need_an_execute_bit_of_their_own() {
    let world = world();
    let guest = world.guest();
    world.write_file(b"/owner", 0o700, PROGRAM).unwrap();
    assert_eq!(guest.sys("setuid", &[1000]), Ok(0));
    assert_eq!(guest.exec(b"/owner", &[b"x"], &[]), Err(Errno::EACCES));
    assert_eq!(
        guest.exec(PROGRAM_PATH, &[b"x"], &[]),
        Err(Errno::ECANCELED)
    );
}

#[test]
fn execveat_runs_an_open_file() {
    const AT_EMPTY_PATH: u32 = 0x1000;
    let world = world();
    let parent = world.guest();
    let open = |path: &[u8]| {
        let path = parent.put_string(STRINGS, path);
        parent.sys("open", &[path, 0, 0]).unwrap()
    };
    let (script, program) = (open(b"/script"), open(b"/bin-sh"));
    for (fd, argv) in [
        (program, vec![b"name".to_vec()]),
        (
            script,
            vec![
                b"/bin-sh".to_vec(),
                format!("/dev/fd/{script}").into_bytes(),
            ],
        ),
    ] {
        let empty = parent.put_string(STRINGS, b"");
        let name = parent.put_string(STRINGS + 8, b"name");
        let list = parent.put_words(DATA, &[name, 0]);
        assert_eq!(parent.sys("vfork", &[]), Ok(0));
        let refused = parent.sys("execveat", &[fd, empty, list, 0, 0]);
        assert_eq!(refused, Err(Errno::ENOENT));
        let unknown = parent.sys("execveat", &[fd, empty, list, 0, AT_EMPTY_PATH | 1]);
        assert_eq!(unknown, Err(Errno::EINVAL));
        let child = parent.sys("execveat", &[fd, empty, list, 0, AT_EMPTY_PATH]);
        assert_eq!(argv_of(&world.running(child.unwrap())), argv);
    }
}

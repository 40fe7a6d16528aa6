//! Programs for WALI: what becomes of their imports, and how the calls of linux32 carry what they say.

#![expect(clippy::expect_used, reason = "test code")]
#![expect(clippy::indexing_slicing, reason = "test code")]

mod breaking;
mod broken;
mod options;
mod random;
mod world;

use abi::{Errno, linux32_number};
use kernel_loader::{Entry, Options, Program, load, translate_wali};
use random::numbers_from;
use wasmi::Val;
use world::World;

/// A program with calls of all kinds. Its exports `fd`, `word` and so on make them.
const PROGRAM: &str = r#"(module
  (import "wali" "SYS_write" (func $write (param i32 i32 i32) (result i64)))
  (import "wali" "SYS_lseek" (func $lseek (param i32 i64 i32) (result i64)))
  (import "wali" "SYS_pread64" (func $pread (param i32 i32 i32 i64) (result i64)))
  (import "wali" "SYS_fstat" (func $fstat (param i32 i32) (result i64)))
  (import "wali" "SYS_mmap" (func $mmap (param i32 i32 i32 i32 i32 i64) (result i64)))
  (import "wali" "SYS_setitimer" (func $setitimer (param i32 i32 i32) (result i64)))
  (import "wali" "SYS_rt_sigaction" (func $sigaction (param i32 i32 i32 i32) (result i64)))
  (import "wali" "SYS_fcntl" (func $fcntl (param i32 i32 i64) (result i64)))
  (import "wali" "SYS_poll" (func $poll (param i32 i64 i32) (result i64)))
  (import "wali" "SYS_epoll_wait" (func $epoll_wait (param i32 i32 i32 i32) (result i64)))
  (import "wali" "SYS_ptrace" (func $ptrace (param i32 i32 i32 i32) (result i64)))
  (import "wali" "SYS_sendmmsg" (func $sendmmsg (param i32 i32 i32 i32) (result i64)))
  (import "undefined" "syscall2" (func $stray (param i32 i32 i32) (result i32)))
  (import "wali" "__cl_get_argc" (func $argc (result i32)))
  (import "wali" "__cl_get_argv_len" (func $argv_len (param i32) (result i32)))
  (import "wali" "__cl_copy_argv" (func $copy_argv (param i32 i32) (result i32)))
  (import "wali" "__get_init_envfile" (func $envfile (param i32 i32) (result i32)))
  (import "wali" "setjmp" (func $setjmp (param i32) (result i32)))
  (import "wali" "__proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1 1)
  (table 3 3 funcref)
  (elem (i32.const 1) func $own $handler)
  (global $stack (mut i32) (i32.const 4096))
  (func (export "_start"))
  (func $own)
  (func $handler (param i32 i32 i32)
    (i32.store (i32.const 512) (i32.load (i32.add (local.get 1) (i32.const 16))))
    (i32.store (i32.const 516) (i32.load (i32.add (local.get 1) (i32.const 24))))
    (i32.store (i32.const 520) (local.get 2)))
  (func (export "stack") (result i32) (global.get $stack))
  (func (export "write") (result i64) (call $write (i32.const 1) (i32.const 2) (i32.const 3)))
  (func (export "lseek") (param i64) (result i64) (call $lseek (i32.const 5) (local.get 0) (i32.const 1)))
  (func (export "pread") (result i64)
    (call $pread (i32.const 5) (i32.const 6) (i32.const 7) (i64.const 0x900000008)))
  (func (export "fstat") (param i32) (result i64) (call $fstat (i32.const 5) (local.get 0)))
  (func (export "mmap") (param i64) (result i64)
    (call $mmap (i32.const 0) (i32.const 100) (i32.const 3) (i32.const 2) (i32.const 9) (local.get 0)))
  (func (export "setitimer") (param i32 i32) (result i64)
    (call $setitimer (i32.const 0) (local.get 0) (local.get 1)))
  (func (export "sigaction") (param i32 i32 i32) (result i64)
    (call $sigaction (local.get 0) (local.get 1) (local.get 2) (i32.const 8)))
  (func (export "fcntl") (param i32) (result i64)
    (call $fcntl (i32.const 3) (local.get 0) (i64.const 0x500000004)))
  (func (export "poll") (result i64) (call $poll (i32.const 8) (i64.const 2) (i32.const -1)))
  (func (export "epoll") (param i32) (result i64)
    (call $epoll_wait (i32.const 3) (i32.const 1024) (local.get 0) (i32.const 7)))
  (func (export "ptrace") (result i64)
    (call $ptrace (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
  (func (export "sendmmsg") (result i64)
    (call $sendmmsg (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
  (func (export "stray") (result i32) (call $stray (i32.const 1) (i32.const 0) (i32.const 0)))
  (func (export "argc") (result i32) (call $argc))
  (func (export "argument") (param i32) (result i32)
    (drop (call $copy_argv (i32.const 700) (local.get 0))) (call $argv_len (local.get 0)))
  (func (export "envfile") (result i32) (call $envfile (i32.const 700) (i32.const 64)))
  (func (export "setjmp") (result i32) (call $setjmp (i32.const 0)))
  (func (export "exit") (result i32) (call $exit (i32.const 9)) (i32.const 1)))"#;

/// The page behind the program's, which belongs to the process.
const PAGE: u32 = 65536;

fn options() -> Options {
    options::options(linux32_number)
}

fn program(text: &str) -> Program {
    let bytes = wat::parse_str(text).expect("the text is right");
    let program = load(&bytes, &options()).expect("it loads");
    world::validate(&program);
    program
}

/// The program in a world whose memory has the size that it asks for.
fn start() -> World {
    let mut world = World::of(&program(PROGRAM));
    world.store.data_mut().grows = std::iter::repeat_n(2, 100).collect();
    world
}

/// Calls an export; its result, of 32 or 64 bits.
fn call(world: &mut World, name: &str, arguments: &[Val]) -> i64 {
    let function = world.guest.get_func(&world.store, name).expect("exported");
    let mut results = [Val::I64(0)];
    let nr_results = function.ty(&world.store).results().len();
    function
        .call(&mut world.store, arguments, &mut results[..nr_results])
        .expect("it returns");
    match &results[0] {
        Val::I32(word) => i64::from(*word),
        other => other.i64().expect("a number"),
    }
}

/// What was called: the kernel's lines without looks at the size of the memory.
fn calls(world: &mut World) -> Vec<String> {
    let log = world.log();
    let lines = log.lines().filter(|line| !line.starts_with("grow"));
    lines.map(str::to_owned).collect()
}

fn number(name: &str) -> u32 {
    linux32_number(name).expect("a call")
}

fn line(name: &str, words: &str) -> Vec<String> {
    vec![format!("syscall {} {words}", number(name))]
}

fn error(errno: Errno) -> i64 {
    i64::from(errno.number()).saturating_neg()
}

fn write_word(world: &mut World, address: u32, value: u32) {
    let address = usize::try_from(address).expect("fits");
    let memory = world.memory;
    memory
        .write(&mut world.store, address, &value.to_le_bytes())
        .expect("inside");
}

fn word(world: &World, address: u32) -> u32 {
    let mut bytes = [0; 4];
    let address = usize::try_from(address).expect("fits");
    world
        .memory
        .read(&world.store, address, &mut bytes)
        .expect("inside");
    u32::from_le_bytes(bytes)
}

#[test]
fn the_program_is_one_of_linux32() {
    let program = program(PROGRAM);
    assert_eq!(program.entry, Entry::WithStack);
    assert_eq!(program.stack.pointer_initial, 4096);
    assert_eq!(program.memory.min_pages, 2);
    assert_eq!(program.heap_base, 2 * PAGE);
    // What the kernel lacks keeps its name.
    assert_eq!(
        program.unknown_imports,
        ["wali.SYS_ptrace", "wali.SYS_sendmmsg", "undefined.syscall2"]
    );
}

#[test]
fn words_and_halves_are_passed_and_results_get_a_sign() {
    let mut world = start();
    world.answers(&[0xffff_fff2, 4]);
    assert_eq!(call(&mut world, "write", &[]), error(Errno::EFAULT));
    assert_eq!(calls(&mut world), line("write", "1 2 3 0 0 0"));
    assert_eq!(call(&mut world, "pread", &[]), 4);
    assert_eq!(calls(&mut world), line("pread64", "5 6 7 8 9 0"));
    call(&mut world, "poll", &[]);
    assert_eq!(calls(&mut world), line("poll", "8 2 -1 0 0 0"));
    for (command, passed) in [(3, 3), (5, 12), (7, 14), (8, 8), (36, 36)] {
        call(&mut world, "fcntl", &[Val::I32(command)]);
        assert_eq!(
            calls(&mut world),
            line("fcntl64", &format!("3 {passed} 4 0 0 0"))
        );
    }
}

#[test]
fn offsets_have_64_bits() {
    let mut world = start();
    assert_eq!(call(&mut world, "lseek", &[Val::I64(-2)]), 0);
    // The result is in a frame below the stack pointer, which is back afterwards.
    assert_eq!(calls(&mut world), line("_llseek", "5 -1 -2 4080 1 0"));
    assert_eq!(call(&mut world, "stack", &[]), 4096);
    world.answers(&[0xffff_ffea]);
    assert_eq!(
        call(&mut world, "lseek", &[Val::I64(0)]),
        error(Errno::EINVAL)
    );
    assert_eq!(call(&mut world, "stack", &[]), 4096);
    calls(&mut world);
    world.answers(&[0x9000_0000, 0xffff_fff4]);
    assert_eq!(
        call(&mut world, "mmap", &[Val::I64(0x1000_0000_3000)]),
        error(Errno::EINVAL)
    );
    assert_eq!(
        call(&mut world, "mmap", &[Val::I64(0x3001)]),
        error(Errno::EINVAL)
    );
    assert_eq!(calls(&mut world), Vec::<String>::new());
    // Addresses have no sign, errors have.
    assert_eq!(
        call(&mut world, "mmap", &[Val::I64(0x100_0000_3000)]),
        0x9000_0000
    );
    assert_eq!(calls(&mut world), line("mmap2", "0 100 3 2 9 268435459"));
    assert_eq!(
        call(&mut world, "mmap", &[Val::I64(0)]),
        error(Errno::ENOMEM)
    );
}

#[test]
fn structures_are_converted_member_by_member() {
    let mut world = start();
    // The frame of fstat: what the kernel would write there.
    let frame = 4096 - 160;
    for (offset, value) in [
        (16, 0o100_644),
        (20, 3),
        (48, 7),
        (96, 11),
        (104, 13),
        (112, 17),
    ] {
        write_word(&mut world, frame + offset, value);
    }
    write_word(&mut world, 1024 + 36, 99);
    assert_eq!(call(&mut world, "fstat", &[Val::I32(1024)]), 0);
    assert_eq!(
        calls(&mut world),
        line("fstat64", &format!("5 {frame} 0 0 0 0"))
    );
    let found = [8, 16, 24, 36, 48, 72, 80].map(|at| word(&world, 1024 + at));
    assert_eq!(found, [11, 3, 0o100_644, 0, 7, 13, 17]);
    // Null is null, and what is no memory is an error, once the call has succeeded.
    call(&mut world, "fstat", &[Val::I32(0)]);
    assert_eq!(calls(&mut world), line("fstat64", "5 0 0 0 0 0"));
    let outside = Val::I32(2 * 65536 - 143);
    assert_eq!(call(&mut world, "fstat", &[outside]), error(Errno::EFAULT));
    world.answers(&[0xffff_fff7]);
    assert_eq!(
        call(&mut world, "fstat", &[Val::I32(-1)]),
        error(Errno::EBADF)
    );
    assert_eq!(call(&mut world, "stack", &[]), 4096);
}

#[test]
fn what_the_kernel_reads_is_converted_before() {
    let mut world = start();
    // interval 1 s 2 us; value 2^33 s, -1 us: cut to what 32 bits hold.
    for (at, value) in [(0, 1), (8, 2), (20, 2), (24, u32::MAX), (28, u32::MAX)] {
        write_word(&mut world, 1024 + at, value);
    }
    let frame = 4096 - 32;
    call(&mut world, "setitimer", &[Val::I32(1024), Val::I32(0)]);
    assert_eq!(
        calls(&mut world),
        line("setitimer", &format!("0 {frame} 0 0 0 0"))
    );
    let found = [0, 4, 8, 12].map(|at| word(&world, frame + at));
    assert_eq!(found, [1, 2, 0x7fff_ffff, u32::MAX]);
    let outside = [Val::I32(-16), Val::I32(0)];
    assert_eq!(
        call(&mut world, "setitimer", &outside),
        error(Errno::EFAULT)
    );
    assert_eq!(calls(&mut world), Vec::<String>::new());
}

#[test]
fn events_are_packed_here_only() {
    let mut world = start();
    let frame = 4096 - 1024;
    for (at, value) in [(0, 1), (8, 2), (12, 3), (16, 4), (24, 5), (28, 6)] {
        write_word(&mut world, frame + at, value);
    }
    world.answers(&[2]);
    assert_eq!(call(&mut world, "epoll", &[Val::I32(1000)]), 2);
    assert_eq!(
        calls(&mut world),
        line("epoll_wait", &format!("3 {frame} 64 7 0 0"))
    );
    let found = [0, 4, 8, 12, 16, 20].map(|at| word(&world, 1024 + at));
    assert_eq!(found, [1, 2, 3, 4, 5, 6]);
    call(&mut world, "epoll", &[Val::I32(-1)]);
    assert_eq!(
        calls(&mut world),
        line("epoll_wait", &format!("3 {frame} -1 7 0 0"))
    );
}

#[test]
fn handlers_with_information_go_by_the_slot_that_is_added() {
    let mut world = start();
    const SLOT: u32 = 3;
    const INFO: u32 = 4;
    let set = |world: &mut World, handler: u32, flags| {
        write_word(world, 1024, handler);
        write_word(world, 1028, flags);
        let result = call(
            world,
            "sigaction",
            &[Val::I32(10), Val::I32(1024), Val::I32(0)],
        );
        let told = word(world, 4096 - 64);
        (result, told, word(world, PAGE + 40))
    };
    // SIG_DFL and SIG_IGN, which is -2, are no handlers; nor is anything converted for one argument.
    assert_eq!(set(&mut world, 0, INFO), (0, 0, 0));
    assert_eq!(set(&mut world, 0xffff_fffe, INFO), (0, 1, 0));
    assert_eq!(set(&mut world, 2, 0), (0, 2, 0));
    // The function 1 has a slot of its own.
    assert_eq!(set(&mut world, 1, 0), (0, SLOT + 1, 1));
    write_word(&mut world, PAGE + 40, 0);
    // The kernel refuses: nothing is changed.
    world.answers(&[0xffff_ffea]);
    assert_eq!(set(&mut world, 2, INFO), (error(Errno::EINVAL), SLOT, 0));
    assert_eq!(set(&mut world, 2, INFO), (0, SLOT, 2));
    // What is no signal is the kernel's affair.
    for signal in [0, 65, -1] {
        world.answers(&[0xffff_ffea]);
        let arguments = [Val::I32(signal), Val::I32(1024), Val::I32(0)];
        assert_eq!(
            call(&mut world, "sigaction", &arguments),
            error(Errno::EINVAL)
        );
    }
    assert_eq!(word(&world, PAGE), 0);
    // Rust's way to ignore SIGPIPE.
    write_word(&mut world, 1024, 1);
    write_word(&mut world, 1028, 0);
    let arguments = [Val::I32(13), Val::I32(1024), Val::I32(0)];
    assert_eq!(call(&mut world, "sigaction", &arguments), 0);
    assert_eq!(word(&world, 4096 - 64), 1);
    // The old action names the handler, not the slot.
    write_word(&mut world, 4096 - 32, SLOT);
    call(
        &mut world,
        "sigaction",
        &[Val::I32(10), Val::I32(0), Val::I32(2048)],
    );
    assert_eq!(word(&world, 2048), 2);
    write_word(&mut world, 4096 - 32, 1);
    let arguments = [Val::I32(10), Val::I32(0), Val::I32(2048)];
    call(&mut world, "sigaction", &arguments);
    assert_eq!(word(&world, 2048), 0xffff_fffe);
    // A signal comes with a call.
    calls(&mut world);
    write_word(&mut world, 3000 + 12, 77);
    write_word(&mut world, 3000 + 20, 88);
    world.store.data_mut().signals = [world::Signal {
        handler: 3,
        stack_pointer: 2800,
        number: 10,
        siginfo: 3000,
        ucontext: 3200,
    }]
    .into();
    world.answers(&[abi::special::SIGNAL, 5]);
    assert_eq!(call(&mut world, "write", &[]), 5);
    let found = [512, 516, 520].map(|at| word(&world, at));
    assert_eq!(found, [77, 88, 3200]);
    assert_eq!(call(&mut world, "stack", &[]), 4096);
}

#[test]
fn arguments_and_variables_come_from_the_stack_of_linux() {
    let mut world = start();
    let stack = 4000;
    let strings: [(u32, &[u8]); 4] = [
        (3000, b"prog\0"),
        (3010, b"\0"),
        (3020, b"A=b\0"),
        (3030, b"C=\n\0"),
    ];
    for (address, bytes) in strings {
        let address = usize::try_from(address).expect("fits");
        let memory = world.memory;
        memory
            .write(&mut world.store, address, bytes)
            .expect("inside");
    }
    for (at, value) in (0..).step_by(4).zip([2, 3000, 3010, 0, 3020, 3030, 0]) {
        write_word(&mut world, stack + at, value);
    }
    call(&mut world, "_start", &[Val::I32(4000)]);
    assert_eq!(call(&mut world, "argc", &[]), 2);
    assert_eq!(call(&mut world, "argument", &[Val::I32(0)]), 4);
    assert_eq!(word(&world, 700), u32::from_le_bytes(*b"prog"));
    assert_eq!(call(&mut world, "argument", &[Val::I32(1)]), 0);
    assert_eq!(call(&mut world, "argument", &[Val::I32(2)]), 0);
    calls(&mut world);
    // A file in memory gets descriptor 5, and then 205; a variable with a newline is left out.
    world.answers(&[5, 205]);
    assert_eq!(call(&mut world, "envfile", &[]), 1);
    let frame = 4096 - 16;
    let syscalls = [
        ("memfd_create", format!("{frame} 1 0 0 0 0")),
        ("fcntl64", "5 1030 200 0 0 0".to_owned()),
        ("close", "5 0 0 0 0 0".to_owned()),
        ("write", "205 3020 3 0 0 0".to_owned()),
        ("write", format!("205 {} 1 0 0 0", frame + 8)),
    ];
    let wanted: Vec<_> = syscalls
        .iter()
        .flat_map(|(name, words)| line(name, words))
        .collect();
    assert_eq!(calls(&mut world), wanted);
    let mut path = [0; 18];
    world
        .memory
        .read(&world.store, 700, &mut path)
        .expect("inside");
    assert_eq!(&path, b"/proc/self/fd/205\0");
}

#[test]
fn what_is_no_call_answers_as_it_should() {
    let mut world = start();
    assert_eq!(call(&mut world, "setjmp", &[]), 0);
    call(&mut world, "exit", &[]);
    assert_eq!(calls(&mut world), line("exit_group", "9 0 0 0 0 0"));
    for (index, name) in (0..).zip(["ptrace", "sendmmsg", "stray"]) {
        world.answers(&[0xffff_ffda]);
        assert_eq!(call(&mut world, name, &[]), error(Errno::ENOSYS));
        let unknown = abi::special::UNKNOWN_BASE + index;
        assert!(calls(&mut world)[0].starts_with(&format!("syscall {unknown} ")));
    }
}

#[test]
fn imports_of_other_types_get_an_adapter() {
    let text = r#"(module
      (import "wali" "SYS_read" (func $read (param i32 i64 i32 i32) (result i32)))
      (import "wali" "SYS_sendfile" (func $sendfile (result i64)))
      (import "wali" "SYS_pread64" (func $pread (param i32 i32 i32 i32) (result i64)))
      (import "wali" "SYS_write" (func $write (param i64 i32 i32 i32)))
      (memory (export "memory") 1 1)
      (func (export "_start"))
      (func (export "read") (result i32)
        (call $read (i32.const 5) (i64.const 6) (i32.const 7) (i32.const 8)))
      (func (export "sendfile") (result i32) (i32.wrap_i64 (call $sendfile)))
      (func (export "pread") (param i32) (result i32)
        (i32.wrap_i64 (call $pread (i32.const 5) (i32.const 6) (i32.const 7) (local.get 0))))
      (func (export "write") (result i32)
        (call $write (i64.const 0x700000006) (i32.const 1) (i32.const 2) (i32.const 3))
        (i32.const 0)))"#;
    let mut world = World::new(text);
    world.answers(&[42, 43]);
    assert_eq!(world.call("read", &[]).expect("returns"), 42);
    assert_eq!(world.call("pread", &[-2]).expect("returns"), 43);
    world.call("write", &[]).expect("returns");
    // Without its arguments it is no call.
    world.call("sendfile", &[]).expect("returns");
    let unknown = abi::special::UNKNOWN_BASE;
    assert_eq!(
        world.log(),
        "syscall 3 5 6 7 0 0 0\nsyscall 180 5 6 7 -2 -1 0\nsyscall 4 6 1 2 0 0 0\n".to_owned()
            + &format!("syscall {unknown} 0 0 0 0 0 0\n")
    );
}

#[test]
fn longjmp_without_setjmp_is_named_in_the_log_and_ends_the_program() {
    let text = r#"(module
      (import "wali" "longjmp" (func $longjmp (param i32 i32)))
      (memory (export "memory") 1 1)
      (func (export "_start"))
      (func (export "jump") (result i32) (call $longjmp (i32.const 1) (i32.const 2)) (i32.const 0)))"#;
    let program = program(text);
    assert_eq!(
        program.unknown_imports,
        ["wali.longjmp to a function that has returned"]
    );
    let mut world = World::of(&program);
    world.answers(&[61, 0xffff_ffda, 42]);
    assert!(world.call("jump", &[]).is_err());
    let message = 65536 + 520;
    let mut wanted = line("write", &format!("2 {message} 61 0 0 0"));
    wanted.push(format!(
        "syscall {} 0 0 0 0 0 0",
        abi::special::UNKNOWN_BASE
    ));
    wanted.extend(line("getpid", "0 0 0 0 0 0"));
    wanted.extend(line("kill", "42 6 0 0 0 0"));
    assert_eq!(calls(&mut world), wanted);
}

#[test]
fn threads_are_entered_with_their_id() {
    let text = r#"(module
      (import "wali" "__wasm_thread_spawn" (func $spawn (param i32 i32) (result i32)))
      (memory (export "memory") 1 1) (table 2 funcref) (elem (i32.const 1) func $begin)
      (global $stack (mut i32) (i32.const 4096))
      (func (export "_start"))
      (func $begin (export "__wasm_thread_start_libc") (param i32 i32)
        (i32.store (i32.const 512) (local.get 0)) (i32.store (i32.const 516) (local.get 1)))
      (func (export "spawn") (param i32) (result i32) (call $spawn (i32.const 1) (local.get 0))))"#;
    let program = program(text);
    assert_eq!(
        program.thread_entry,
        Some(kernel_loader::ThreadEntry::Start)
    );
    let mut world = World::of(&program);
    world.store.data_mut().grows = std::iter::repeat_n(2, 100).collect();
    write_word(&mut world, 1024, 2056);
    world.answers(&[43]);
    assert_eq!(call(&mut world, "spawn", &[Val::I32(1024)]), 43);
    assert_eq!(
        calls(&mut world),
        line("clone", &format!("{} 2032 0 0 0 0", 0x50f00))
    );
    world.answers(&[43]);
    call(&mut world, "__wasm_thread_start", &[Val::I32(2032)]);
    assert_eq!([word(&world, 512), word(&world, 516)], [43, 1024]);
    assert_eq!(
        call(&mut world, "spawn", &[Val::I32(-4)]),
        error(Errno::EFAULT)
    );
}

#[track_caller]
fn refused(text: &str, reason: &str) {
    let bytes = wat::parse_str(text).expect("the text is right");
    let refusal = load(&bytes, &broken::options()).expect_err("a refusal");
    assert!(refusal.reason.contains(reason), "{refusal}");
}

#[test]
fn what_cannot_be_translated_is_refused() {
    const IMPORT: &str = r#"(import "wali" "SYS_fstat" (func (param i32 i32) (result i64)))"#;
    refused(&format!("(module {IMPORT} (memory 1))"), "no _start");
    refused(
        &format!(
            "(module {IMPORT} (memory 65536) (global (mut i32) (i32.const 8)) (func (export \"_start\")))"
        ),
        "no room for one more page",
    );
    refused(
        &format!("(module {IMPORT} (memory 1) (func (export \"_start\")))"),
        "no stack pointer",
    );
    refused(
        r#"(module (import "wali" "SYS_read" (func (param f32) (result i64))) (memory 1) (func (export "_start")))"#,
        "more than integers",
    );
    refused(
        r#"(module (import "wali" "SYS_getpid" (func (result i64))) (import "env" "x" (global i32))
          (memory 1) (func (export "_start")))"#,
        "dynamic linking",
    );
}

#[test]
fn modules_broken_at_random_are_refused_or_become_valid_ones() {
    let whole = wat::parse_str(PROGRAM).expect("the text is right");
    let mut random = numbers_from(0x1319_8a2e_0370_7344);
    let mut nr_loaded = 0;
    for _ in 0..1_500 {
        let broken = breaking::broken(&whole, 2, &mut random);
        // It may make nothing of nonsense, but what was valid stays so.
        if let Ok(translated) = translate_wali(&broken)
            && kernel_loader::validate(&broken).is_ok()
        {
            kernel_loader::validate(&translated).expect("still valid");
        }
        if let Ok(program) = load(&broken, &options()) {
            nr_loaded += 1;
            broken::validate(&program);
        }
    }
    assert!(nr_loaded > 100, "{nr_loaded}");
}

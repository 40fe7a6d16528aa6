//! The memory shim, run over two memories.

#![expect(clippy::expect_used, reason = "test code")]
#![expect(clippy::indexing_slicing, reason = "test code")]
#![expect(clippy::arithmetic_side_effects, reason = "test code")]

use kernel_loader::{Copy, MemoryLimits, Sharing, memory_shim};
use wasmi::{Caller, Engine, Instance, Linker, Memory, MemoryType, Module, Store, Val};

const PAGE: usize = 65536;

/// The limits of the kernel's memory.
const fn kernel(shared: bool) -> MemoryLimits {
    MemoryLimits {
        min_pages: 1,
        max_pages: Some(4),
        shared,
    }
}

/// A guest memory of three pages, a kernel memory of one, and the shim over them.
struct World {
    store: Store<Option<(Memory, Memory)>>,
    shim: Instance,
    guest: Memory,
    kernel: Memory,
}

type Host<'a> = Caller<'a, Option<(Memory, Memory)>>;

/// What the glue does in JavaScript: copies between two memories.
fn host_copy(host: &mut Host<'_>, direction: Direction, to: i32, from: i32, len: i32) {
    let (guest, kernel) = host.data().expect("set");
    let (target, source) = match direction {
        Direction::In => (kernel, guest),
        Direction::Out => (guest, kernel),
    };
    let [to, from, len] = [to, from, len].map(|word| usize::try_from(word).expect("small"));
    let bytes = source.data(&*host)[from..from + len].to_vec();
    target.data_mut(host)[to..to + len].copy_from_slice(&bytes);
}

#[derive(Clone, Copy)]
enum Direction {
    In,
    Out,
}

impl World {
    fn new(copy: Copy) -> Self {
        let engine = Engine::default();
        let bytes = memory_shim(copy, kernel(false), Sharing::Private);
        let module = Module::new(&engine, &bytes[..]).expect("the shim compiles");
        let mut store = Store::new(&engine, None);
        let guest = Memory::new(&mut store, MemoryType::new(3, Some(5))).expect("a memory");
        let kernel = Memory::new(&mut store, MemoryType::new(1, Some(4))).expect("a memory");
        *store.data_mut() = Some((guest, kernel));
        let mut linker = Linker::new(&engine);
        linker.define("guest", "memory", guest).expect("new");
        match copy {
            Copy::MultiMemory => {
                linker.define("kernel", "memory", kernel).expect("new");
            }
            Copy::JavaScript => {
                for (name, direction) in [("copy_in", Direction::In), ("copy_out", Direction::Out)]
                {
                    linker
                        .func_wrap("host", name, move |mut host: Host<'_>, to, from, len| {
                            host_copy(&mut host, direction, to, from, len);
                        })
                        .expect("new");
                }
            }
        }
        let shim = linker
            .instantiate_and_start(&mut store, &module)
            .expect("it links");
        Self {
            store,
            shim,
            guest,
            kernel,
        }
    }

    fn call(&mut self, name: &str, arguments: &[u32]) -> i32 {
        let function = self.shim.get_func(&self.store, name).expect("exported");
        let arguments: Vec<Val> = arguments
            .iter()
            .map(|&word| Val::I32(word.cast_signed()))
            .collect();
        let mut results = [Val::I32(0)];
        function
            .call(&mut self.store, &arguments, &mut results)
            .expect("never traps");
        results[0].i32().expect("an i32")
    }

    fn guest(&mut self) -> &mut [u8] {
        self.guest.data_mut(&mut self.store)
    }

    fn kernel(&mut self) -> &mut [u8] {
        self.kernel.data_mut(&mut self.store)
    }
}

fn both() -> [World; 2] {
    [Copy::MultiMemory, Copy::JavaScript].map(World::new)
}

const END: u32 = 3 * 65536;

#[test]
fn copies_both_ways() {
    for mut world in both() {
        world.guest()[100..105].copy_from_slice(b"guest");
        assert_eq!(world.call("copy_in", &[10, 100, 5]), 1);
        assert_eq!(&world.kernel()[9..16], b"\0guest\0");
        world.kernel()[50..56].copy_from_slice(b"kernel");
        assert_eq!(world.call("copy_out", &[200, 50, 6]), 1);
        assert_eq!(&world.guest()[199..207], b"\0kernel\0");
    }
}

#[test]
fn copies_stay_in_bounds() {
    for mut world in both() {
        for (address, len, fits) in [
            (END - 5, 5, 1),
            (END, 0, 1),
            (END - 5, 6, 0),
            (END, 1, 0),
            (END + 1, 0, 0),
            (0xffff_ffff, 1, 0),
            (0xffff_fff0, 0x20, 0),
            (8, 0xffff_ffff, 0),
        ] {
            assert_eq!(
                world.call("copy_in", &[0, address, len]),
                fits,
                "{address} {len}"
            );
            assert_eq!(
                world.call("copy_out", &[address, 0, len]),
                fits,
                "{address} {len}"
            );
            assert_eq!(
                world.call("fill", &[address, 7, len]),
                fits,
                "{address} {len}"
            );
        }
    }
}

#[test]
fn strings_end_at_a_nul_the_maximum_or_the_memory() {
    for mut world in both() {
        let text = b"/usr/share/some/long/path/name/that/has/many/bytes";
        for len in 0..text.len() {
            world.guest()[1000..1100].fill(0);
            world.guest()[1000..1000 + len].copy_from_slice(&text[..len]);
            world.kernel()[..200].fill(0xaa);
            let expected = i32::try_from(len).expect("small");
            assert_eq!(world.call("copy_in_string", &[8, 1000, 4096]), expected);
            assert_eq!(&world.kernel()[8..8 + len], &text[..len]);
            assert_eq!(world.kernel()[8 + len], 0xaa);
        }
        assert_eq!(world.call("copy_in_string", &[8, 1000, 20]), 20);
        assert_eq!(world.call("copy_in_string", &[8, 1000, 0]), 0);
        let last = 3 * PAGE - 20;
        world.guest()[last..].fill(b'x');
        let from = END - 20;
        assert_eq!(world.call("copy_in_string", &[8, from, 4096]), -1);
        assert_eq!(world.call("copy_in_string", &[8, from, 20]), 20);
        world.guest()[3 * PAGE - 1] = 0;
        assert_eq!(world.call("copy_in_string", &[8, from, 4096]), 19);
        assert_eq!(world.call("copy_in_string", &[8, END, 1]), -1);
        assert_eq!(world.call("copy_in_string", &[8, END + 1, 0]), -1);
        assert_eq!(
            world.call("copy_in_string", &[8, 0xffff_ffff, 0xffff_ffff]),
            -1
        );
    }
}

#[test]
fn fills_sizes_and_grows() {
    for mut world in both() {
        assert_eq!(world.call("fill", &[16, 9, 4]), 1);
        assert_eq!(&world.guest()[15..21], &[0, 9, 9, 9, 9, 0]);
        assert_eq!(world.call("size", &[]), 3);
        assert_eq!(world.call("grow", &[2]), 3);
        assert_eq!(world.call("size", &[]), 5);
        assert_eq!(world.call("grow", &[1]), -1);
    }
}

#[test]
fn cleaning_zeroes_dirty_pages_only() {
    for mut world in both() {
        for at in [0, 4095, 8192, 20000, 3 * PAGE - 1] {
            world.guest()[at] = 1;
        }
        assert_eq!(world.call("clean", &[0, 0]), 4);
        assert!(world.guest().iter().all(|&byte| byte == 0));
        assert_eq!(world.call("clean", &[0, 0]), 0);
    }
}

#[test]
fn cleaning_keeps_to_its_range() {
    for mut world in both() {
        world.guest().fill(1);
        assert_eq!(world.call("clean", &[5000, 13000]), 3);
        assert!(world.guest()[..5000].iter().all(|&byte| byte == 1));
        assert!(world.guest()[5000..13000].iter().all(|&byte| byte == 0));
        assert!(world.guest()[13000..].iter().all(|&byte| byte == 1));
        assert_eq!(world.call("clean", &[9, 9]), 0);
        assert_eq!(world.call("clean", &[10, 9]), 0);
        assert_eq!(world.call("clean", &[END - 10, 0xffff_ffff]), 1);
        assert_eq!(world.call("clean", &[0xffff_0000, 0]), 0);
        assert_eq!(
            world.call("clean", &[0, 0]),
            47,
            "all but the page that was cleaned"
        );
    }
}

#[test]
fn cleaning_downwards_stops_after_a_clean_window() {
    for mut world in both() {
        // Dirty near the top, and far below a clean stretch.
        world.guest()[3 * PAGE - 100] = 1;
        world.guest()[10] = 1;
        assert_eq!(world.call("clean_down", &[END - 50, 0x8000]), 0x1_0000);
        assert_eq!(world.guest()[3 * PAGE - 100], 0);
        assert_eq!(world.guest()[10], 1, "below the window");
        assert_eq!(world.call("clean_down", &[END, 0x10_0000]), 0);
        assert_eq!(world.guest()[10], 0);
        assert_eq!(world.call("clean_down", &[0, 1]), 0);
    }
}

#[test]
fn a_word_is_exchanged_if_it_is_what_was_expected() {
    for mut world in both() {
        world.guest()[8] = 7;
        let mut exchange = |at: u32, old: u32, new: u32| {
            let function = world
                .shim
                .get_func(&world.store, "exchange")
                .expect("there");
            let arguments = [at, old, new].map(|word| Val::I32(word.cast_signed()));
            let mut results = [Val::I64(0)];
            function
                .call(&mut world.store, &arguments, &mut results)
                .expect("never traps");
            results[0].i64().expect("an i64")
        };
        assert_eq!(exchange(8, 6, 9), 7);
        assert_eq!(exchange(8, 7, u32::MAX), 7);
        assert_eq!(exchange(8, 0, 0), i64::from(u32::MAX));
        assert_eq!(exchange(END, 0, 0), -1, "outside");
        assert_eq!(exchange(END - 2, 0, 0), -1, "ends outside");
        assert_eq!(exchange(u32::MAX - 3, 0, 0), -1);
        assert_eq!(exchange(10, 0, 1), -1, "not aligned");
        assert_eq!(world.guest()[8..12], [255; 4]);
    }
}

#[test]
fn all_forms_are_valid() {
    for copy in [Copy::MultiMemory, Copy::JavaScript] {
        for sharing in [Sharing::Private, Sharing::Shared] {
            for shared in [false, true] {
                let bytes = memory_shim(copy, kernel(shared), sharing);
                wasmparser::Validator::new()
                    .validate_all(&bytes)
                    .expect("valid");
            }
        }
    }
}

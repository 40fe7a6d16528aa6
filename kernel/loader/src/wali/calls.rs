//! System calls: by the table, and those that are more than a conversion of structures.

use abi::Errno;
use abi::wali::layout::{EPOLL_EVENT, MSQID_DS, SEMID_DS, SHMID_DS};
use abi::wali::{Arg, Call, Form, Layout};

use super::body::{Body, FIRST, at};
use super::routine::Routine;
use super::{messages, signals};

/// Writes the call `name`.
pub(super) fn write(body: &mut Body<'_>, name: &'static str, call: Call) {
    let row = match call {
        Call::Plain(info) => {
            let args: Vec<Arg> = info
                .args
                .iter()
                .map(|&(_, kind)| if kind == "i64" { Arg::Pair } else { Arg::Word })
                .collect();
            return by_arguments(body, info.linux32, &args, Answer::Word);
        }
        Call::Row(row) => row,
    };
    match row.form {
        Form::Args(args) => by_arguments(body, row.linux32, args, Answer::Word),
        Form::Address(args) => by_arguments(body, row.linux32, args, Answer::Address),
        Form::Special | Form::Unserved(_) => match name {
            "lseek" => seek(body),
            "mmap" => map(body),
            "rt_sigaction" => signals::action(body),
            "fcntl" => control_file(body),
            "time" => time(body),
            "gettimeofday" => time_of_day(body),
            "pselect6" => select_with_mask(body),
            "setsockopt" | "getsockopt" => socket_option(body, row.linux32),
            "shmctl" => control_ipc(body, row.linux32, 1, &SHMID_DS),
            "msgctl" => control_ipc(body, row.linux32, 1, &MSQID_DS),
            "semctl" => control_ipc(body, row.linux32, 2, &SEMID_DS),
            "sendmsg" => messages::send(body),
            "recvmsg" => messages::receive(body),
            "epoll_wait" => wait_for_events(body, row.linux32, 4),
            "epoll_pwait" | "epoll_pwait2" => wait_for_events(body, row.linux32, 6),
            _ => body.fail(Errno::ENOSYS),
        },
    }
    if matches!(row.form, Form::Special | Form::Unserved(_)) {
        // Every one of these has returned.
        body.code().unreachable();
    }
}

/// What the result of a call is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// A number with a sign.
    Word,
    /// An address, or an error.
    Address,
}

/// Pushes the result in a local.
fn push_answer(body: &mut Body<'_>, result: u32, answer: Answer) {
    body.result(result);
    if answer == Answer::Address {
        /// All above are errors.
        const LAST_ADDRESS: i32 = -4096;
        body.code()
            .local_get(result)
            .i64_extend_i32_u()
            .local_get(result)
            .i32_const(LAST_ADDRESS)
            .i32_gt_u()
            .select();
    }
}

/// A structure of a call: which parameter points to it, and where in the frame it is.
#[derive(Clone, Copy)]
struct Structure {
    layout: &'static Layout,
    param: u32,
    offset: u32,
    is_in: bool,
    is_out: bool,
}

fn structures(args: &[Arg]) -> (Vec<Structure>, u32) {
    let mut found = Vec::new();
    let (mut param, mut offset) = (0_u32, 0_u32);
    for arg in args {
        let (layout, is_in, is_out) = match *arg {
            Arg::Const(_) => continue,
            Arg::In(layout) => (Some(layout), true, false),
            Arg::Out(layout) => (Some(layout), false, true),
            Arg::InOut(layout) => (Some(layout), true, true),
            Arg::Word | Arg::Pair | Arg::Skip => (None, false, false),
        };
        if let Some(layout) = layout {
            found.push(Structure {
                layout,
                param,
                offset,
                is_in,
                is_out,
            });
            offset = offset.saturating_add(layout.narrow_len.next_multiple_of(16));
        }
        param = param.saturating_add(1);
    }
    (found, offset)
}

/// Fails with `EFAULT` unless a structure is where a parameter says; the frame is there.
fn check(body: &mut Body<'_>, param: u32, len: u32) {
    body.misses(param, |body| body.word(len));
    body.when(|body| {
        body.leave();
        body.fail(Errno::EFAULT);
    });
}

/// The call `linux32` with arguments by the table.
fn by_arguments(body: &mut Body<'_>, linux32: &str, args: &[Arg], answer: Answer) {
    let (structures, frame_len) = structures(args);
    let result = body.local(FIRST);
    if frame_len != 0 {
        body.enter(frame_len);
    }
    for structure in structures.iter().filter(|structure| structure.is_in) {
        body.get(structure.param);
        body.when(|body| {
            check(body, structure.param, structure.layout.wide_len);
            body.get(structure.param);
            body.frame(structure.offset);
            body.call(Routine::Narrow(structure.layout));
        });
    }
    let nr_words = push_arguments(body, args, &structures);
    body.syscall(linux32, nr_words);
    body.set(result);
    for structure in structures.iter().filter(|structure| structure.is_out) {
        body.code()
            .local_get(result)
            .i32_const(0)
            .i32_ge_s()
            .i32_const(0)
            .local_get(structure.param)
            .select();
        body.when(|body| {
            check(body, structure.param, structure.layout.wide_len);
            body.frame(structure.offset);
            body.get(structure.param);
            body.call(Routine::Widen(structure.layout));
        });
    }
    if frame_len != 0 {
        body.leave();
    }
    push_answer(body, result, answer);
}

/// Pushes the words of a call; how many they are.
fn push_arguments(body: &mut Body<'_>, args: &[Arg], structures: &[Structure]) -> usize {
    let mut structures = structures.iter();
    let mut param = 0_u32;
    let mut nr_words = 0_usize;
    for arg in args {
        nr_words = nr_words.saturating_add(match arg {
            Arg::Pair => 2,
            Arg::Skip => 0,
            _ => 1,
        });
        match *arg {
            Arg::Const(value) => {
                body.word(value);
                continue;
            }
            Arg::Word => body.get(param),
            Arg::Pair => halves(body, param),
            Arg::Skip => {}
            Arg::In(_) | Arg::Out(_) | Arg::InOut(_) => {
                let offset = structures.next().map_or(0, |structure| structure.offset);
                body.frame(offset);
                body.code().i32_const(0).local_get(param).select();
            }
        }
        param = param.saturating_add(1);
    }
    nr_words
}

/// Pushes the words of a local of 64 bits, low first.
fn halves(body: &mut Body<'_>, local: u32) {
    body.code().local_get(local).i32_wrap_i64();
    high(body, local);
}

fn high(body: &mut Body<'_>, local: u32) {
    body.code()
        .local_get(local)
        .i64_const(32)
        .i64_shr_u()
        .i32_wrap_i64();
}

/// Gives the frame back and returns the word of a local.
pub(super) fn leave_with(body: &mut Body<'_>, result: u32) {
    body.leave();
    body.result(result);
    body.code().return_();
}

/// `lseek(fd, offset, whence)`.
fn seek(body: &mut Body<'_>) {
    let result = body.local(FIRST);
    body.enter(8);
    body.get(0);
    high(body, 1);
    body.code().local_get(1).i32_wrap_i64();
    body.frame(0);
    body.get(2);
    body.syscall("_llseek", 5);
    body.code().local_tee(result);
    body.when(|body| leave_with(body, result));
    body.leave();
    body.frame(0);
    body.code().i64_load(at(0)).return_();
}

/// `mmap(address, len, protection, flags, fd, offset)`; linux32 wants pages.
fn map(body: &mut Body<'_>) {
    const OFFSET: u32 = 5;
    const PAGE_SHIFT: i64 = 12;
    let result = body.local(FIRST);
    // Bits below a page, or above 2^32 pages.
    body.code()
        .local_get(OFFSET)
        .i64_const((-1 << (32 + PAGE_SHIFT)) | ((1 << PAGE_SHIFT) - 1))
        .i64_and()
        .i64_eqz()
        .i32_eqz();
    body.when(|body| body.fail(Errno::EINVAL));
    for param in 0..OFFSET {
        body.get(param);
    }
    body.code()
        .local_get(OFFSET)
        .i64_const(PAGE_SHIFT)
        .i64_shr_u()
        .i32_wrap_i64();
    body.syscall("mmap2", 6);
    body.set(result);
    push_answer(body, result, Answer::Address);
    body.code().return_();
}

/// Pushes a local, plus `offset` if it is one of `count` numbers from `first` on.
fn get_moved(body: &mut Body<'_>, local: u32, first: u32, count: u32, offset: u32) {
    body.get_plus(local, offset);
    body.get(local);
    body.get_plus(local, first.wrapping_neg());
    body.word(count);
    body.code().i32_lt_u().select();
}

/// `fcntl(fd, command, argument)`: its locks have 64 bits under all numbers.
fn control_file(body: &mut Body<'_>) {
    /// `F_GETLK`, `F_SETLK`, `F_SETLKW`, and how far behind them the forms of 64 bits are.
    const GETLK: u32 = 5;
    const TO_64: u32 = 7;
    let result = body.local(FIRST);
    body.get(0);
    get_moved(body, 1, GETLK, 3, TO_64);
    body.get(2);
    body.syscall("fcntl64", 3);
    body.set(result);
    body.result(result);
    body.code().return_();
}

/// `setsockopt` and `getsockopt`: time limits have 64 bits under the old numbers too.
fn socket_option(body: &mut Body<'_>, linux32: &str) {
    const SOL_SOCKET: i32 = 1;
    /// `SO_RCVTIMEO_OLD`, `SO_SNDTIMEO_OLD`, and how far behind them the new ones are.
    const RCVTIMEO: u32 = 20;
    const TO_NEW: u32 = 46;
    let [result, option] = body.locals();
    get_moved(body, 2, RCVTIMEO, 2, TO_NEW);
    body.code()
        .local_get(2)
        .local_get(1)
        .i32_const(SOL_SOCKET)
        .i32_eq()
        .select()
        .local_set(option);
    for local in [0, 1, option, 3, 4] {
        body.get(local);
    }
    body.syscall(linux32, 5);
    body.set(result);
    body.result(result);
    body.code().return_();
}

/// Has the clock of the real time written to the frame.
fn read_clock(body: &mut Body<'_>) {
    body.word(0);
    body.frame(0);
    body.syscall("clock_gettime64", 2);
    body.code().drop();
}

/// `time(result)`.
fn time(body: &mut Body<'_>) {
    const RESULT: u32 = 0;
    let seconds = body.wide();
    body.enter(16);
    read_clock(body);
    body.leave();
    body.frame(0);
    body.code().i64_load(at(0)).local_set(seconds);
    body.get(RESULT);
    body.when(|body| {
        check(body, RESULT, 8);
        body.store64(RESULT, 0, |body| body.get(seconds));
    });
    body.code().local_get(seconds).return_();
}

/// `gettimeofday(time, zone)`: the time by a clock whose seconds have 64 bits.
fn time_of_day(body: &mut Body<'_>) {
    const TIME: u32 = 0;
    const ZONE: u32 = 1;
    const NSEC_PER_USEC: i64 = 1000;
    let (result, frame) = (body.local(FIRST), body.frame_local());
    body.get(TIME);
    body.when(|body| {
        body.enter(16);
        check(body, TIME, 16);
        read_clock(body);
        body.store64(TIME, 0, |body| {
            body.code().local_get(frame).i64_load(at(0));
        });
        body.store64(TIME, 8, |body| {
            body.code()
                .local_get(frame)
                .i64_load32_u(at(8))
                .i64_const(NSEC_PER_USEC)
                .i64_div_u();
        });
        body.leave();
    });
    body.word(0);
    body.get(ZONE);
    body.syscall("gettimeofday", 2);
    body.set(result);
    body.result(result);
    body.code().return_();
}

/// `pselect6(n, read, write, except, timeout, mask)`: the mask's address and length are words, or, as
/// of libcs that pass registers, 64 bits each.
fn select_with_mask(body: &mut Body<'_>) {
    const MASK: u32 = 5;
    let (result, frame, len) = (body.local(FIRST), body.frame_local(), body.local(FIRST + 1));
    body.enter(16);
    body.get(MASK);
    body.when(|body| {
        check(body, MASK, 8);
        body.load(MASK, 4);
        body.code().local_tee(len).i32_eqz();
        body.when(|body| {
            check(body, MASK, 16);
            body.load(MASK, 8);
            body.set(len);
        });
        body.store(frame, 0, |body| body.load(MASK, 0));
        body.store(frame, 4, |body| body.get(len));
        body.get(frame);
        body.set(MASK);
    });
    for param in 0..6 {
        body.get(param);
    }
    body.syscall("pselect6_time64", 6);
    body.set(result);
    leave_with(body, result);
}

/// `shmctl`, `msgctl` and `semctl`: what the last argument points to depends on the command.
fn control_ipc(body: &mut Body<'_>, linux32: &str, command: u32, layout: &'static Layout) {
    /// An old flag for what all structures are now.
    const WITHOUT_IPC_64: i32 = !0x100;
    const IPC_SET: i32 = 1;
    const IPC_STAT: i32 = 2;
    let argument = command.saturating_add(1);
    let [result, plain, passed] = body.locals();
    body.enter(layout.narrow_len);
    body.code()
        .local_get(command)
        .i32_const(WITHOUT_IPC_64)
        .i32_and()
        .local_tee(plain)
        .i32_const(IPC_SET)
        .i32_eq();
    body.when(|body| {
        check(body, argument, layout.wide_len);
        body.get(argument);
        body.frame(0);
        body.call(Routine::Narrow(layout));
    });
    body.frame(0);
    body.code()
        .local_get(argument)
        .local_get(plain)
        .i32_const(IPC_SET)
        .i32_sub()
        .i32_const(2)
        .i32_lt_u()
        .select()
        .local_set(passed);
    for local in 0..argument {
        body.get(local);
    }
    body.get(passed);
    body.syscall(linux32, if argument == 2 { 3 } else { 4 });
    body.code()
        .local_tee(result)
        .i32_const(0)
        .i32_ge_s()
        .local_get(plain)
        .i32_const(IPC_STAT)
        .i32_eq()
        .i32_and();
    body.when(|body| {
        check(body, argument, layout.wide_len);
        body.frame(0);
        body.get(argument);
        body.call(Routine::Widen(layout));
    });
    leave_with(body, result);
}

/// `epoll_wait(epoll, events, room, timeout)`, and those with two words more.
fn wait_for_events(body: &mut Body<'_>, linux32: &str, nr_words: u32) {
    const EVENTS: u32 = 1;
    const ROOM: u32 = 2;
    /// What the frame has room for: fewer events than there are may be told.
    const MOST: u32 = 64;
    let (narrow_len, wide_len) = (EPOLL_EVENT.narrow_len, EPOLL_EVENT.wide_len);
    let [result, room, i] = body.locals();
    let frame = body.frame_local();
    body.enter(MOST.saturating_mul(narrow_len));
    // What is below 1 the kernel refuses.
    body.get(ROOM);
    body.word(MOST);
    body.get(ROOM);
    body.word(MOST);
    body.code().i32_lt_s().select().local_set(room);
    for param in 0..nr_words {
        body.get(match param {
            EVENTS => frame,
            ROOM => room,
            other => other,
        });
    }
    body.syscall(linux32, if nr_words == 4 { 4 } else { 6 });
    body.code().local_tee(result).i32_const(0).i32_gt_s();
    body.when(|body| {
        body.misses(EVENTS, |body| {
            body.get(result);
            body.word(wide_len);
            body.code().i32_mul();
        });
        body.when(|body| {
            body.leave();
            body.fail(Errno::EFAULT);
        });
        body.repeat(|body| {
            body.code().local_get(i).local_get(result).i32_ge_s();
            body.break_if();
            element(body, frame, i, narrow_len);
            element(body, EVENTS, i, wide_len);
            body.call(Routine::Widen(&EPOLL_EVENT));
            body.get_plus(i, 1);
            body.set(i);
        });
    });
    leave_with(body, result);
}

/// Pushes the address of an element of an array.
fn element(body: &mut Body<'_>, array: u32, index: u32, len: u32) {
    body.get(array);
    body.get(index);
    body.word(len);
    body.code().i32_mul().i32_add();
}

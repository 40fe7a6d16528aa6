//! `sendmsg` and `recvmsg`: a message and its control messages are converted in one frame.

use abi::Errno;
use abi::wali::layout::MSGHDR;
use wasm_encoder::BlockType;

use super::body::Body;
use super::calls::leave_with;
use super::routine::Routine;

/// Where a message's members are.
mod message {
    pub(super) const NAME_LEN: u32 = 4;
    pub(super) const CONTROL: u32 = 20;
    pub(super) const CONTROL_LEN: u32 = 24;
    pub(super) const FLAGS: u32 = 32;
    pub(super) const NARROW_CONTROL: u32 = 16;
    pub(super) const NARROW_CONTROL_LEN: u32 = 20;
    pub(super) const NARROW_FLAGS: u32 = 24;
}

/// Where control messages are in the frame: behind the message.
const CONTROL_IN_FRAME: u32 = 32;

/// The longest control messages, in bytes: Linux's `optmem_max`.
const MAX_CONTROL: u32 = 20480;

/// Loads where control messages are, and how many bytes: none if there is no address.
fn load_control(body: &mut Body<'_>, message: u32, control: u32, len: u32) {
    body.misses(message, |body| body.word(MSGHDR.wide_len));
    body.when(|body| body.fail(Errno::EFAULT));
    body.load(message, message::CONTROL);
    body.set(control);
    body.load(message, message::CONTROL_LEN);
    body.code()
        .i32_const(0)
        .local_get(control)
        .select()
        .local_set(len);
}

/// Enters a frame for a message with `len` bytes of control messages, and converts the message.
fn enter_message(body: &mut Body<'_>, message: u32, len: u32) {
    body.enter_with(|body| body.get_plus(len, CONTROL_IN_FRAME.saturating_add(16)));
    body.get(message);
    body.frame(0);
    body.call(Routine::Narrow(&MSGHDR));
}

/// `sendmsg(fd, message, flags)`.
pub(super) fn send(body: &mut Body<'_>) {
    const MESSAGE: u32 = 1;
    let [result, control, len] = body.locals();
    let frame = body.frame_local();
    load_control(body, MESSAGE, control, len);
    body.get(len);
    body.word(MAX_CONTROL);
    body.code().i32_gt_u();
    body.when(|body| body.fail(Errno::ENOBUFS));
    enter_message(body, MESSAGE, len);
    body.get(len);
    body.when(|body| {
        body.misses(control, |body| body.get(len));
        body.when(|body| {
            body.leave();
            body.fail(Errno::EFAULT);
        });
        body.store(frame, message::NARROW_CONTROL, |body| {
            body.frame(CONTROL_IN_FRAME);
        });
        body.store(frame, message::NARROW_CONTROL_LEN, |body| {
            body.code().local_get(control).local_get(len);
            body.frame(CONTROL_IN_FRAME);
            body.call(Routine::NarrowControl);
        });
    });
    body.get(0);
    body.frame(0);
    body.get(2);
    body.syscall("sendmsg", 3);
    body.set(result);
    leave_with(body, result);
}

/// `recvmsg(fd, message, flags)`.
pub(super) fn receive(body: &mut Body<'_>) {
    const MESSAGE: u32 = 1;
    const MSG_CTRUNC: u32 = 8;
    /// How much shorter linux32's first control message is.
    const SHORTER: u32 = 4;
    let [result, control, len, flags] = body.locals();
    let frame = body.frame_local();
    load_control(body, MESSAGE, control, len);
    body.get(len);
    body.word(MAX_CONTROL);
    body.get(len);
    body.word(MAX_CONTROL);
    body.code().i32_lt_u().select().local_set(len);
    enter_message(body, MESSAGE, len);
    body.get(len);
    body.word(SHORTER);
    body.code().i32_gt_u().if_(BlockType::Empty);
    body.store(frame, message::NARROW_CONTROL, |body| {
        body.frame(CONTROL_IN_FRAME);
    });
    body.store(frame, message::NARROW_CONTROL_LEN, |body| {
        body.get_plus(len, SHORTER.wrapping_neg());
    });
    body.code().else_();
    body.store64(frame, message::NARROW_CONTROL, |body| {
        body.code().i64_const(0);
    });
    body.end();
    body.get(0);
    body.frame(0);
    body.get(2);
    body.syscall("recvmsg", 3);
    body.code().local_tee(result).i32_const(0).i32_ge_s();
    body.when(|body| {
        body.load(frame, message::NARROW_FLAGS);
        body.set(flags);
        body.store(MESSAGE, message::NAME_LEN, |body| {
            body.load(frame, message::NAME_LEN);
        });
        body.get(len);
        body.when(|body| {
            body.misses(control, |body| body.get(len));
            body.when(|body| {
                body.leave();
                body.fail(Errno::EFAULT);
            });
            body.frame(CONTROL_IN_FRAME);
            body.load(frame, message::NARROW_CONTROL_LEN);
            body.code().local_get(control).local_get(len);
            body.call(Routine::WidenControl);
            body.code().local_tee(len).i32_const(0).i32_lt_s();
            body.when(|body| {
                body.get(flags);
                body.word(MSG_CTRUNC);
                body.code().i32_or().local_set(flags);
            });
            body.code()
                .local_get(len)
                .i32_const(i32::MAX)
                .i32_and()
                .local_set(len);
        });
        body.store(MESSAGE, message::CONTROL_LEN, |body| body.get(len));
        body.store(MESSAGE, message::FLAGS, |body| body.get(flags));
    });
    leave_with(body, result);
}

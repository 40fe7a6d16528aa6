//! How processes begin, end and are waited for: vfork(2), wait(2), setpgid(2), credentials(7).

mod common;

use abi::Errno;
use common::{
    ANY, DATA, HANDLER, SA_NOCLDSTOP, SA_NOCLDWAIT, SA_SIGINFO, SIG_IGN, SIGCHLD, SIGCONT, SIGHUP,
    SIGKILL, SIGSTOP, SIGTERM, SIGTSTP, SIGUSR1, WCONTINUED, WEXITED, WNOHANG, WNOWAIT, WSTOPPED,
    WUNTRACED, World, info_word, set,
};
use kernel::platform::GuestEnd;
use kernel::process::RunState;

#[test]
fn parent_waits_until_its_child_has_exited() {
    let world = World::new();
    let parent = world.guest();
    let child = world.child(&parent);
    assert_ne!(parent.id(), child.id());
    assert_eq!(child.sys("getppid", &[]), Ok(parent.id()));
    assert_eq!(parent.wait(ANY, 0), Err(Errno::EINPROGRESS));
    assert_eq!(child.sys("exit_group", &[0x103]), Err(Errno::ECANCELED));
    assert_eq!(world.settle(&parent), Ok(child.id()));
    assert_eq!(parent.word(DATA), Ok(0x300));
    assert_eq!(world.state(child.id()), None);
    assert_eq!(parent.wait(ANY, 0), Err(Errno::ECHILD));
}

#[test]
fn host_hears_of_the_ends_of_its_own_processes_alone() {
    let world = World::new();
    let parent = world.guest();
    assert_eq!(parent.sys("vfork", &[]), Ok(0));
    let child = parent.sys("exit_group", &[7]).unwrap();
    assert_eq!(world.ended(child), None);
    assert_eq!(parent.wait(child, 0), Ok((child, 0x700)));
    let pid = parent.id();
    assert_eq!(parent.sys("exit_group", &[3]), Err(Errno::ECANCELED));
    assert_eq!(world.ended(pid), Some(0x300));
}

#[test]
fn child_that_exits_without_exec_gives_the_instance_back() {
    let world = World::new();
    let parent = world.guest();
    let pid = parent.id();
    assert_eq!(parent.sys("vfork", &[]), Ok(0));
    let child = parent.sys("getpid", &[]).unwrap();
    assert_ne!(child, pid);
    assert_eq!(parent.sys("getppid", &[]), Ok(pid));
    assert_eq!(parent.sys("exit_group", &[7]), Ok(child));
    assert_eq!(parent.sys("getpid", &[]), Ok(pid));
    assert_eq!(parent.wait(child, 0), Ok((child, 0x700)));
}

#[test]
fn failed_exec_leaves_the_child_in_the_instance() {
    let world = World::new();
    let parent = world.guest();
    let pid = parent.id();
    assert_eq!(parent.sys("vfork", &[]), Ok(0));
    assert_eq!(
        parent.exec(b"/nothing", &[b"nothing"], &[]),
        Err(Errno::ENOENT)
    );
    assert_ne!(parent.sys("getpid", &[]).unwrap(), pid);
    let child = parent.sys("exit_group", &[127]).unwrap();
    assert_eq!(parent.wait(child, 0), Ok((child, 127 << 8)));
}

#[test]
fn vfork_nests_to_a_limit_and_each_child_comes_back() {
    let world = World::new();
    let guest = world.guest();
    let mut pids = vec![guest.id()];
    while guest.sys("vfork", &[]) == Ok(0) {
        pids.push(guest.id());
    }
    assert_eq!(guest.sys("vfork", &[]), Err(Errno::EAGAIN));
    assert!(pids.len() > 2);
    while pids.len() > 1 {
        let child = pids.pop().unwrap();
        assert_eq!(guest.sys("exit_group", &[0]), Ok(child));
        assert_eq!(guest.wait(ANY, 0), Ok((child, 0)));
    }
    assert_eq!(guest.id(), pids[0]);
}

#[test]
fn number_of_processes_is_limited() {
    let world = World::new();
    let guest = world.guest();
    let alive = u32::try_from(world.kernel.processes.len()).unwrap();
    guest.put_words(DATA, &[alive, 0, alive, 0]);
    assert_eq!(guest.sys("prlimit64", &[0, 6, DATA, 0]), Ok(0));
    assert_eq!(guest.sys("vfork", &[]), Err(Errno::EAGAIN));
}

#[test]
fn end_by_signal_or_trap_shows_in_the_status() {
    let world = World::new();
    let parent = world.guest();
    let child = world.child(&parent);
    assert_eq!(parent.kill(child.id(), SIGTERM), Ok(0));
    assert_eq!(child.breathe().result(), Err(Errno::ECANCELED));
    assert_eq!(parent.wait(ANY, 0), Ok((child.id(), 15)));

    let traps = [
        ("RuntimeError: memory access out of bounds", 11),
        ("RuntimeError: unreachable", 6),
        ("RuntimeError: divide by zero", 8),
    ];
    for (message, signal) in traps {
        let child = world.child(&parent);
        child.end(GuestEnd::Trapped(message.to_owned()));
        world.run();
        assert_eq!(parent.wait(ANY, 0), Ok((child.id(), signal)), "{message}");
    }

    let child = world.child(&parent);
    child.end(GuestEnd::Left);
    world.run();
    assert_eq!(parent.wait(ANY, 0), Ok((child.id(), 0)));
}

#[test]
fn parked_guest_is_killed_where_it_waits() {
    let world = World::new();
    let parent = world.guest();
    let child = world.child(&parent);
    assert_eq!(child.sys("pause", &[]), Err(Errno::EINPROGRESS));
    assert_eq!(parent.kill(child.id(), SIGKILL), Ok(0));
    assert_eq!(world.settle(&child), Err(Errno::ECANCELED));
    assert_eq!(parent.wait(child.id(), 0), Ok((child.id(), 9)));
}

#[test]
fn nothing_to_report_is_0_with_wnohang_and_echild_without_children() {
    let world = World::new();
    let parent = world.guest();
    assert_eq!(parent.wait(ANY, WNOHANG), Err(Errno::ECHILD));
    let child = world.child(&parent);
    assert_eq!(parent.wait(ANY, WNOHANG).map(|(pid, _)| pid), Ok(0));
    assert_eq!(parent.wait(child.id() + 1, WNOHANG), Err(Errno::ECHILD));
    assert_eq!(parent.wait(1, 0), Err(Errno::ECHILD));
    assert_eq!(parent.wait(ANY, 0x10), Err(Errno::EINVAL));
    assert_eq!(parent.wait(0x8000_0000, 0), Err(Errno::ESRCH));
}

#[test]
fn orphans_become_children_of_init_and_vanish_when_they_end() {
    let world = World::new();
    let top = world.guest();
    let middle = world.child(&top);
    let bottom = world.child(&middle);
    let ended = world.child(&middle);
    ended.sys("exit_group", &[0]).unwrap_err();
    world.run();
    assert_eq!(world.status(ended.id()), Some(0));
    middle.sys("exit_group", &[0]).unwrap_err();
    world.run();
    assert_eq!(world.state(ended.id()), None);
    assert_eq!(bottom.sys("getppid", &[]), Ok(1));
    bottom.sys("exit_group", &[0]).unwrap_err();
    world.run();
    assert_eq!(world.state(bottom.id()), None);
    assert_eq!(top.wait(ANY, 0), Ok((middle.id(), 0)));
    assert_eq!(top.wait(ANY, 0), Err(Errno::ECHILD));
}

#[test]
fn subreaper_adopts_orphans_and_their_zombies() {
    const PR_SET_CHILD_SUBREAPER: u32 = 36;
    let world = World::new();
    let top = world.guest();
    assert_eq!(
        top.sys("prctl", &[PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0]),
        Ok(0)
    );
    let middle = world.child(&top);
    let bottom = world.child(&middle);
    let ended = world.child(&middle);
    ended.sys("exit_group", &[3]).unwrap_err();
    middle.sys("exit_group", &[0]).unwrap_err();
    world.run();
    assert_eq!(bottom.sys("getppid", &[]), Ok(top.id()));
    assert_eq!(top.wait(ended.id(), 0), Ok((ended.id(), 0x300)));
    assert_eq!(top.wait(middle.id(), 0), Ok((middle.id(), 0)));
    assert_eq!(top.wait(ANY, WNOHANG).map(|(pid, _)| pid), Ok(0));
}

#[test]
fn death_of_the_parent_is_signalled_on_request() {
    const PR_SET_PDEATHSIG: u32 = 1;
    let world = World::new();
    let top = world.guest();
    let middle = world.child(&top);
    let bottom = world.child(&middle);
    bottom.on(SIGHUP, HANDLER, 0);
    assert_eq!(
        bottom.sys("prctl", &[PR_SET_PDEATHSIG, SIGHUP, 0, 0, 0]),
        Ok(0)
    );
    middle.sys("exit_group", &[0]).unwrap_err();
    bottom.breathe().result().unwrap();
    assert_eq!(bottom.take_handled_numbers(), [SIGHUP]);
}

#[test]
fn ignored_sigchld_leaves_no_zombies() {
    let world = World::new();
    for (handler, flags) in [(SIG_IGN, 0), (HANDLER, SA_NOCLDWAIT)] {
        let parent = world.guest();
        parent.on(SIGCHLD, handler, flags);
        let (first, second) = (world.child(&parent), world.child(&parent));
        first.sys("exit_group", &[0]).unwrap_err();
        world.run();
        assert_eq!(world.state(first.id()), None);
        parent.set_mask(set(&[SIGCHLD])).unwrap();
        assert_eq!(parent.wait(ANY, 0), Err(Errno::EINPROGRESS));
        second.sys("exit_group", &[0]).unwrap_err();
        assert_eq!(world.settle(&parent), Err(Errno::ECHILD));
    }
}

#[test]
fn waitid_tells_who_ended_how() {
    let world = World::new();
    let parent = world.guest();
    let child = world.child(&parent);
    let (id, info) = (child.id(), DATA);
    let words = |guest: &common::Guest| {
        let bytes = guest.bytes(info, 128).unwrap();
        [0, 2, 3, 5].map(|index| info_word(&bytes, index))
    };
    assert_eq!(
        parent.sys("waitid", &[1, id, info, WEXITED | WNOHANG, 0]),
        Ok(0)
    );
    assert_eq!(words(&parent), [0, 0, 0, 0]);
    child.sys("exit_group", &[5]).unwrap_err();
    world.run();
    // It will never stop.
    assert_eq!(
        parent.sys("waitid", &[1, id, info, WSTOPPED | WNOHANG, 0]),
        Err(Errno::ECHILD)
    );
    for options in [WEXITED | WNOWAIT, WEXITED] {
        assert_eq!(parent.sys("waitid", &[0, 0, info, options, 0]), Ok(0));
        assert_eq!(words(&parent), [SIGCHLD, 1, id, 5]);
    }
    assert_eq!(
        parent.sys("waitid", &[0, 0, info, WEXITED, 0]),
        Err(Errno::ECHILD)
    );
}

#[test]
fn waitid_refuses_odd_arguments() {
    let world = World::new();
    let parent = world.guest();
    let _child = world.child(&parent);
    for (kind, id, options) in [
        (0, 0, 0),
        (0, 0, WNOHANG),
        (0, 0, WEXITED | 0x10),
        (9, 0, WEXITED),
    ] {
        let result = parent.sys("waitid", &[kind, id, DATA, options, 0]);
        assert_eq!(result, Err(Errno::EINVAL), "{kind} {id} {options:#x}");
    }
}

#[test]
fn waiting_for_a_group_sees_its_members_only() {
    let world = World::new();
    let parent = world.guest();
    let (own, other) = (world.child(&parent), world.child(&parent));
    assert_eq!(other.sys("setpgid", &[0, 0]), Ok(0));
    for child in [&own, &other] {
        child.sys("exit_group", &[0]).unwrap_err();
    }
    world.run();
    let minus = |pid: u32| pid.wrapping_neg();
    assert_eq!(parent.wait(minus(other.id()), 0), Ok((other.id(), 0)));
    assert_eq!(parent.wait(minus(other.id()), 0), Err(Errno::ECHILD));
    assert_eq!(parent.wait(0, 0), Ok((own.id(), 0)));
}

#[test]
fn stop_and_continue_are_reported_once() {
    let world = World::new();
    let parent = world.guest();
    let child = world.child(&parent);
    let both = WUNTRACED | WCONTINUED | WNOHANG;
    assert_eq!(child.sys("pause", &[]), Err(Errno::EINPROGRESS));
    parent.kill(child.id(), SIGSTOP).unwrap();
    world.run();
    assert_eq!(world.state(child.id()), Some(RunState::Stopped(19)));
    assert_eq!(parent.wait(ANY, WNOHANG).map(|(pid, _)| pid), Ok(0));
    assert_eq!(parent.wait(ANY, both), Ok((child.id(), 0x137f)));
    assert_eq!(parent.wait(ANY, both).map(|(pid, _)| pid), Ok(0));
    parent.kill(child.id(), SIGCONT).unwrap();
    assert_eq!(world.settle(&child), Err(Errno::EINPROGRESS));
    assert_eq!(parent.wait(ANY, both), Ok((child.id(), 0xffff)));
    assert_eq!(parent.wait(ANY, both).map(|(pid, _)| pid), Ok(0));
    parent.kill(child.id(), SIGSTOP).unwrap();
    world.run();
    parent.kill(child.id(), SIGKILL).unwrap();
    assert_eq!(world.settle(&child), Err(Errno::ECANCELED));
    assert_eq!(parent.wait(ANY, both), Ok((child.id(), 9)));
}

#[test]
fn sigchld_tells_of_stop_continue_and_end() {
    const CODES: [(u32, u32, u32); 3] = [(5, 19, SIGSTOP), (6, 18, SIGCONT), (2, 15, SIGTERM)];
    let world = World::new();
    for flags in [SA_SIGINFO, SA_SIGINFO | SA_NOCLDSTOP] {
        let parent = world.guest();
        let child = world.child(&parent);
        parent.on(SIGCHLD, HANDLER, flags);
        assert_eq!(child.sys("pause", &[]), Err(Errno::EINPROGRESS));
        for (code, status, signal) in CODES {
            parent.kill(child.id(), signal).unwrap();
            let _parked = world.settle(&child);
            parent.breathe().result().unwrap();
            let handled = parent.take_handled();
            if code != 2 && flags & SA_NOCLDSTOP != 0 {
                assert_eq!(handled, []);
                continue;
            }
            assert_eq!(handled.len(), 1, "code {code}");
            let words = [0, 2, 3, 5].map(|index| info_word(&handled[0].siginfo, index));
            assert_eq!(words, [SIGCHLD, code, child.id(), status]);
        }
    }
}

#[test]
fn stopped_process_runs_no_handler_until_it_goes_on() {
    let world = World::new();
    let parent = world.guest();
    let child = world.child(&parent);
    child.on(SIGUSR1, HANDLER, 0);
    assert_eq!(child.sys("pause", &[]), Err(Errno::EINPROGRESS));
    parent.kill(child.id(), SIGSTOP).unwrap();
    assert_eq!(world.settle(&child), Err(Errno::EINPROGRESS));
    parent.kill(child.id(), SIGUSR1).unwrap();
    assert_eq!(world.settle(&child), Err(Errno::EINPROGRESS));
    assert_eq!(child.take_handled(), []);
    parent.kill(child.id(), SIGCONT).unwrap();
    assert_eq!(world.settle(&child), Err(Errno::EINTR));
    assert_eq!(child.take_handled_numbers(), [SIGUSR1]);
}

#[test]
fn stop_behind_a_handler_parks_before_the_call_returns() {
    let world = World::new();
    let parent = world.guest();
    let child = world.child(&parent);
    child.on(SIGUSR1, HANDLER, 0);
    // A group of its own, which its parent could continue.
    assert_eq!(child.sys("setpgid", &[0, 0]), Ok(0));
    // Stopping is the second signal that the shim asks for.
    parent.kill(child.id(), SIGUSR1).unwrap();
    parent.kill(child.id(), SIGTSTP).unwrap();
    assert_eq!(child.sys("getpid", &[]), Err(Errno::EINPROGRESS));
    assert_eq!(child.take_handled_numbers(), [SIGUSR1]);
    assert_eq!(world.state(child.id()), Some(RunState::Stopped(20)));
    assert_eq!(world.settle(&child), Err(Errno::EINPROGRESS));
    parent.kill(child.id(), SIGCONT).unwrap();
    assert_eq!(world.settle(&child), Ok(child.id()));

    parent.kill(child.id(), SIGUSR1).unwrap();
    parent.kill(child.id(), SIGTSTP).unwrap();
    assert_eq!(child.sys("getpid", &[]), Err(Errno::EINPROGRESS));
    parent.kill(child.id(), SIGKILL).unwrap();
    assert_eq!(world.settle(&child), Err(Errno::ECANCELED));
    assert_eq!(parent.wait(ANY, 0), Ok((child.id(), 9)));
}

#[test]
fn job_control_does_not_stop_an_orphaned_group() {
    let world = World::new();
    // The host's processes have their parent, init, in another session.
    let guest = world.guest();
    guest.kill(guest.id(), SIGTSTP).unwrap();
    assert_eq!(guest.sys("getpid", &[]), Ok(guest.id()));
    guest.kill(guest.id(), SIGSTOP).unwrap_err();
    assert_eq!(world.state(guest.id()), Some(RunState::Stopped(19)));
}

#[test]
fn stopped_group_that_becomes_orphaned_is_hung_up() {
    let world = World::new();
    let shell = world.guest();
    let job = world.child(&shell);
    assert_eq!(job.sys("setpgid", &[0, 0]), Ok(0));
    job.on(SIGHUP, HANDLER, 0);
    job.on(SIGCONT, HANDLER, 0);
    assert_eq!(job.sys("pause", &[]), Err(Errno::EINPROGRESS));
    shell.kill(job.id(), SIGSTOP).unwrap();
    world.run();
    shell.sys("exit_group", &[0]).unwrap_err();
    assert_eq!(world.settle(&job), Err(Errno::EINTR));
    assert_eq!(job.take_handled_numbers(), [SIGHUP, SIGCONT]);
}

#[test]
fn groups_change_within_their_session_only() {
    let world = World::new();
    let shell = world.guest();
    let job = world.child(&shell);
    assert_eq!(job.sys("getpgid", &[0]), Ok(shell.id()));
    assert_eq!(job.sys("getsid", &[0]), Ok(shell.id()));
    assert_eq!(
        shell.sys("setpgid", &[0, 0]),
        Err(Errno::EPERM),
        "a session leader"
    );
    assert_eq!(
        shell.sys("setsid", &[]),
        Err(Errno::EPERM),
        "a group leader"
    );
    assert_eq!(
        shell.sys("setpgid", &[job.id(), 0]),
        Err(Errno::EACCES),
        "it has made exec"
    );
    assert_eq!(
        job.sys("setpgid", &[shell.id(), 0]),
        Err(Errno::ESRCH),
        "not its child"
    );
    assert_eq!(job.sys("setpgid", &[0, ANY]), Err(Errno::EINVAL));
    assert_eq!(
        job.sys("setpgid", &[0, 20000]),
        Err(Errno::EPERM),
        "no such group"
    );
    assert_eq!(job.sys("setpgid", &[0, 0]), Ok(0));
    assert_eq!(job.sys("getpgrp", &[]), Ok(job.id()));
    assert_eq!(job.sys("setpgid", &[0, shell.id()]), Ok(0));
    assert_eq!(job.sys("setsid", &[]), Ok(job.id()));
    assert_eq!(job.sys("setpgid", &[0, shell.id()]), Err(Errno::EPERM));
    assert_eq!(shell.sys("getsid", &[job.id()]), Ok(job.id()));
    assert_eq!(shell.sys("getpgid", &[20000]), Err(Errno::ESRCH));
    assert_eq!(shell.sys("getsid", &[20000]), Err(Errno::ESRCH));
}

#[test]
fn child_before_exec_may_be_moved_by_itself_and_leads_its_group() {
    let world = World::new();
    let shell = world.guest();
    assert_eq!(shell.sys("vfork", &[]), Ok(0));
    assert_eq!(shell.sys("setpgid", &[0, 0]), Ok(0));
    let group = shell.sys("getpgrp", &[]).unwrap();
    let job = world.running(shell.exec(b"/init", &[b"init"], &[]).unwrap());
    assert_eq!(job.sys("getpgrp", &[]), Ok(group));
    assert_eq!(group, job.id());
    assert_eq!(shell.sys("getpgid", &[job.id()]), Ok(group));
}

#[test]
fn signals_reach_processes_groups_or_all() {
    let world = World::new();
    let shell = world.guest();
    let (first, second) = (world.child(&shell), world.child(&shell));
    let stranger = world.guest();
    let all = [&shell, &first, &second, &stranger];
    for guest in all {
        guest.on(SIGUSR1, HANDLER, 0);
    }
    assert_eq!(second.sys("setpgid", &[0, 0]), Ok(0));
    let reached = || {
        all.map(|guest| {
            guest.breathe().result().unwrap();
            !guest.take_handled().is_empty()
        })
    };
    assert_eq!(shell.kill(first.id(), SIGUSR1), Ok(0));
    assert_eq!(reached(), [false, true, false, false]);
    assert_eq!(first.kill(0, SIGUSR1), Ok(0));
    assert_eq!(reached(), [true, true, false, false]);
    assert_eq!(first.kill(second.id().wrapping_neg(), SIGUSR1), Ok(0));
    assert_eq!(reached(), [false, false, true, false]);
    assert_eq!(first.kill(ANY, SIGUSR1), Ok(0));
    assert_eq!(reached(), [true, false, true, true]);
    assert_eq!(first.kill(20000, 0), Err(Errno::ESRCH));
    assert_eq!(first.kill(20000_u32.wrapping_neg(), 0), Err(Errno::ESRCH));
    assert_eq!(first.kill(0x8000_0000, 0), Err(Errno::ESRCH));
    assert_eq!(first.kill(shell.id(), 65), Err(Errno::EINVAL));
    assert_eq!(first.kill(shell.id(), 0), Ok(0));
    assert_eq!(reached(), [false; 4]);
}

#[test]
fn users_signal_their_own_processes_only() {
    let world = World::new();
    let shell = world.guest();
    let user = world.child(&shell);
    assert_eq!(user.sys("setuid", &[1000]), Ok(0));
    assert_eq!(user.kill(shell.id(), SIGTERM), Err(Errno::EPERM));
    assert_eq!(user.kill(shell.id(), 0), Err(Errno::EPERM));
    assert_eq!(user.kill(shell.id(), SIGCONT), Ok(0), "of its own session");
    assert_eq!(user.kill(user.id(), 0), Ok(0));
    assert_eq!(user.sys("setuid", &[0]), Err(Errno::EPERM));
}

#[test]
fn zombies_take_signals_and_do_nothing() {
    let world = World::new();
    let parent = world.guest();
    let child = world.child(&parent);
    child.sys("exit_group", &[4]).unwrap_err();
    world.run();
    for signal in [0, SIGTERM, SIGSTOP, SIGCONT, SIGKILL] {
        assert_eq!(parent.kill(child.id(), signal), Ok(0));
    }
    world.run();
    assert_eq!(
        parent.wait(ANY, WUNTRACED | WCONTINUED),
        Ok((child.id(), 0x400))
    );
}

#[test]
fn fatal_signal_ends_a_child_without_an_instance_of_its_own() {
    let world = World::new();
    let parent = world.guest();
    let pid = parent.id();
    assert_eq!(parent.sys("vfork", &[]), Ok(0));
    let child = parent.id();
    let own = parent.sys("kill", &[child, SIGTERM]);
    assert!(own.is_ok());
    assert_eq!(parent.exec(b"/init", &[b"init"], &[]), Ok(child));
    assert_eq!(parent.id(), pid);
    assert_eq!(parent.wait(ANY, 0), Ok((child, 15)));
}

#[test]
fn signals_of_the_parent_wait_until_it_has_its_instance_back() {
    let world = World::new();
    let parent = world.guest();
    let other = world.guest();
    parent.on(SIGUSR1, HANDLER, 0);
    assert_eq!(parent.sys("vfork", &[]), Ok(0));
    other
        .kill(parent.process.pid.cast_unsigned(), SIGUSR1)
        .unwrap();
    assert_ne!(
        parent.sys("getpid", &[]).unwrap(),
        parent.process.pid.cast_unsigned()
    );
    assert_eq!(parent.take_handled(), []);
    let child = parent.sys("exit_group", &[0]).unwrap();
    assert_eq!(parent.take_handled_numbers(), [SIGUSR1]);
    assert_eq!(parent.wait(ANY, 0), Ok((child, 0)));
}

#[test]
fn thousands_of_processes_leave_nothing_behind() {
    let world = World::new();
    let parent = world.guest();
    let before = world.kernel.processes.len();
    let seats = world.kernel.guests_per_worker();
    for round in 0..2000_u32 {
        let child = world.child(&parent);
        child.sys("exit_group", &[round & 0x7f]).unwrap_err();
        world.run();
        let status = (round & 0x7f).cast_signed() << 8;
        assert_eq!(parent.wait(ANY, 0), Ok((child.id(), status)));
    }
    assert_eq!(world.kernel.processes.len(), before);
    assert_eq!(world.kernel.guests_per_worker(), seats);
}

#[test]
fn pids_are_not_used_again_at_once_and_wrap_around() {
    let world = World::new();
    let parent = world.guest();
    let mut last = parent.id();
    let mut has_wrapped = false;
    for _ in 0..33_000 {
        assert_eq!(parent.sys("vfork", &[]), Ok(0));
        let child = parent.sys("exit_group", &[0]).unwrap();
        assert_ne!(child, last);
        has_wrapped |= child < last;
        last = child;
        assert_eq!(parent.wait(ANY, 0), Ok((child, 0)));
    }
    assert!(has_wrapped);
    assert!(last > 2);
}

#[test]
fn pids_that_come_round_again_are_nobodys_group() {
    let world = World::new();
    let parent = world.guest();
    // The pid of a child that ends at once.
    let fleeting = || {
        assert_eq!(parent.sys("vfork", &[]), Ok(0));
        let pid = parent.sys("exit_group", &[0]).unwrap();
        assert_eq!(parent.wait(pid, 0), Ok((pid, 0)));
        pid
    };
    // Pids below 300 are given once only.
    while fleeting() < 300 {}
    let leader = world.child(&parent);
    assert_eq!(leader.sys("setpgid", &[0, 0]), Ok(0));
    let member = world.child(&leader);
    assert_eq!(leader.sys("exit_group", &[0]), Err(Errno::ECANCELED));
    world.run();
    assert_eq!(parent.wait(leader.id(), 0), Ok((leader.id(), 0)));
    while fleeting() > 301 {}
    for _ in 0..9 {
        assert_ne!(fleeting(), leader.id());
    }
    assert_eq!(member.sys("getpgid", &[0]), Ok(leader.id()));
}

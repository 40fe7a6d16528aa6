//! The system calls that the kernel answers, one row each.
//!
//! [`for_each_syscall!`](crate::for_each_syscall) hands every row to a macro of the caller's:
//! dispatch, strace, the coverage page and the libc stubs are all made from it. The same rows are
//! data in [`SYSCALLS`]. Calls that Linux has and the kernel has not are in
//! [`UNIMPLEMENTED`](crate::unimplemented::UNIMPLEMENTED).
//!
//! To add a call: one row here (in order of its number), one function of that name in its family
//! file in crate `syscalls`, one guest test of that name.
//!
//! # Columns
//! - number: x86-64's; forms that only 32-bit Linux has are at
//!   [`I386_BASE`](crate::special::I386_BASE) + the i386 number
//! - `now` (a plain `fn`) or `may_block` (an `async fn`)
//! - `family::handler`, the function in crate `syscalls`; the handler's name is the call's
//! - arguments in order; each is one 32-bit word, `i64` two (low, high), and at most six words
//! - `full`, `partial("what is missing")` or `missing` (answers `ENOSYS` on purpose)
//! - the manual page
//! - `linux32 = ` the name of the import without `__syscall_`
//!
//! # References
//! syscalls(2); Linux v6.12 `arch/x86/entry/syscalls/syscall_{32,64}.tbl`.

/// Calls `$callback!` with all rows of the table, separated by commas.
///
/// A callback matches a row as
/// `($number:literal, $kind:ident, $family:ident :: $name:ident, ($($arg:ident : $type:ty),*),
/// $level:ident $(($note:literal))?, $man:literal, linux32 = $import:literal)`.
#[macro_export]
#[rustfmt::skip]
macro_rules! for_each_syscall {
    ($callback:ident) => {
        $callback! {
            (0, may_block, file::read, (fd: Fd, buf: UserAddr, count: usize), full, "read(2)", linux32 = "read"),
            (1, may_block, file::write, (fd: Fd, buf: UserAddr, count: usize), full, "write(2)", linux32 = "write"),
            (2, may_block, dir::open, (path: UserAddr, flags: OpenFlags, mode: u32), full, "open(2)", linux32 = "open"),
            (3, now, fd::close, (fd: Fd), full, "close(2)", linux32 = "close"),
            (4, now, file::stat64, (path: UserAddr, buf: UserAddr), full, "stat(2)", linux32 = "stat64"),
            (5, now, file::fstat64, (fd: Fd, buf: UserAddr), full, "fstat(2)", linux32 = "fstat64"),
            (6, now, file::lstat64, (path: UserAddr, buf: UserAddr), full, "lstat(2)", linux32 = "lstat64"),
            (7, may_block, poll::poll, (fds: UserAddr, nr_fds: u32, timeout_ms: i32), full, "poll(2)", linux32 = "poll"),
            (8, now, file::llseek, (fd: Fd, offset_high: u32, offset_low: u32, result: UserAddr, whence: u32), full, "lseek(2)", linux32 = "_llseek"),
            (9, now, memory::mmap2, (address: UserAddr, len: usize, protection: u32, flags: u32, fd: Fd, offset_pages: u32), partial("shared at calls that may wait; MAP_FIXED only over known ranges"), "mmap(2)", linux32 = "mmap2"),
            (10, now, memory::mprotect, (address: UserAddr, len: usize, protection: u32), partial("checked and recorded, not enforced"), "mprotect(2)", linux32 = "mprotect"),
            (11, now, memory::munmap, (address: UserAddr, len: usize), full, "munmap(2)", linux32 = "munmap"),
            (12, now, memory::brk, (address: UserAddr), full, "brk(2)", linux32 = "brk"),
            (13, now, signal::rt_sigaction, (signal: i32, action: UserAddr, old_action: UserAddr, set_size: usize), full, "rt_sigaction(2)", linux32 = "rt_sigaction"),
            (14, now, signal::rt_sigprocmask, (how: i32, set: UserAddr, old_set: UserAddr, set_size: usize), full, "rt_sigprocmask(2)", linux32 = "rt_sigprocmask"),
            (15, now, signal::rt_sigreturn, (frame: UserAddr), full, "rt_sigreturn(2)", linux32 = "rt_sigreturn"),
            (16, may_block, fd::ioctl, (fd: Fd, request: u32, argument: u32), partial("requests of terminals, pipes and sockets, FIO*, FIGETBSZ"), "ioctl(2)", linux32 = "ioctl"),
            (17, now, file::pread64, (fd: Fd, buf: UserAddr, count: usize, offset: i64), full, "pread(2)", linux32 = "pread64"),
            (18, now, file::pwrite64, (fd: Fd, buf: UserAddr, count: usize, offset: i64), full, "pwrite(2)", linux32 = "pwrite64"),
            (19, may_block, file::readv, (fd: Fd, iov: UserAddr, nr_iov: u32), full, "readv(2)", linux32 = "readv"),
            (20, may_block, file::writev, (fd: Fd, iov: UserAddr, nr_iov: u32), full, "writev(2)", linux32 = "writev"),
            (21, now, dir::access, (path: UserAddr, mode: u32), full, "access(2)", linux32 = "access"),
            (22, now, pipe::pipe, (fds: UserAddr), full, "pipe(2)", linux32 = "pipe"),
            (23, may_block, poll::select, (nr_fds: i32, read_fds: UserAddr, write_fds: UserAddr, except_fds: UserAddr, timeout: UserAddr), full, "select(2)", linux32 = "select"),
            (24, may_block, system::sched_yield, (), full, "sched_yield(2)", linux32 = "sched_yield"),
            (25, now, memory::mremap, (address: UserAddr, old_len: usize, new_len: usize, flags: u32, new_address: UserAddr), full, "mremap(2)", linux32 = "mremap"),
            (26, may_block, memory::msync, (address: UserAddr, len: usize, flags: u32), full, "msync(2)", linux32 = "msync"),
            (27, now, memory::mincore, (address: UserAddr, len: usize, vector: UserAddr), partial("mapped pages are always resident"), "mincore(2)", linux32 = "mincore"),
            (28, now, memory::madvise, (address: UserAddr, len: usize, advice: i32), partial("MADV_DONTNEED zeroes; other advice is accepted and ignored"), "madvise(2)", linux32 = "madvise"),
            (29, now, sysv::shmget, (key: i32, size: usize, flags: u32), partial("no huge pages"), "shmget(2)", linux32 = "shmget"),
            (30, now, sysv::shmat, (id: i32, address: UserAddr, flags: u32), partial("a copy that meets the others at calls that may wait"), "shmat(2)", linux32 = "shmat"),
            (31, now, sysv::shmctl, (id: i32, command: i32, buf: UserAddr), partial("IPC_STAT, IPC_SET and IPC_RMID"), "shmctl(2)", linux32 = "shmctl"),
            (32, now, fd::dup, (fd: Fd), full, "dup(2)", linux32 = "dup"),
            (33, now, fd::dup2, (old_fd: Fd, new_fd: Fd), full, "dup2(2)", linux32 = "dup2"),
            (34, may_block, signal::pause, (), full, "pause(2)", linux32 = "pause"),
            (35, may_block, time::nanosleep, (request: UserAddr, remain: UserAddr), full, "nanosleep(2)", linux32 = "nanosleep"),
            (36, now, time::getitimer, (which: i32, value: UserAddr), full, "getitimer(2)", linux32 = "getitimer"),
            (37, now, time::alarm, (seconds: u32), full, "alarm(2)", linux32 = "alarm"),
            (38, now, time::setitimer, (which: i32, value: UserAddr, old_value: UserAddr), full, "setitimer(2)", linux32 = "setitimer"),
            (39, now, process::getpid, (), full, "getpid(2)", linux32 = "getpid"),
            (40, may_block, file::sendfile64, (out_fd: Fd, in_fd: Fd, offset: UserAddr, count: usize), full, "sendfile(2)", linux32 = "sendfile64"),
            (41, now, socket::socket, (domain: i32, kind: i32, protocol: i32), partial("AF_UNIX only"), "socket(2)", linux32 = "socket"),
            (42, may_block, socket::connect, (fd: Fd, address: UserAddr, len: i32), full, "connect(2)", linux32 = "connect"),
            (43, may_block, socket::accept, (fd: Fd, address: UserAddr, len: UserAddr), full, "accept(2)", linux32 = "accept"),
            (44, may_block, socket::sendto, (fd: Fd, buf: UserAddr, len: usize, flags: u32, address: UserAddr, address_len: i32), partial("no MSG_OOB"), "sendto(2)", linux32 = "sendto"),
            (45, may_block, socket::recvfrom, (fd: Fd, buf: UserAddr, len: usize, flags: u32, address: UserAddr, address_len: UserAddr), partial("no MSG_OOB"), "recvfrom(2)", linux32 = "recvfrom"),
            (46, may_block, socket::sendmsg, (fd: Fd, message: UserAddr, flags: u32), partial("no MSG_OOB"), "sendmsg(2)", linux32 = "sendmsg"),
            (47, may_block, socket::recvmsg, (fd: Fd, message: UserAddr, flags: u32), partial("no MSG_OOB"), "recvmsg(2)", linux32 = "recvmsg"),
            (48, now, socket::shutdown, (fd: Fd, how: i32), full, "shutdown(2)", linux32 = "shutdown"),
            (49, now, socket::bind, (fd: Fd, address: UserAddr, len: i32), full, "bind(2)", linux32 = "bind"),
            (50, now, socket::listen, (fd: Fd, backlog: i32), full, "listen(2)", linux32 = "listen"),
            (51, now, socket::getsockname, (fd: Fd, address: UserAddr, len: UserAddr), full, "getsockname(2)", linux32 = "getsockname"),
            (52, now, socket::getpeername, (fd: Fd, address: UserAddr, len: UserAddr), full, "getpeername(2)", linux32 = "getpeername"),
            (53, now, socket::socketpair, (domain: i32, kind: i32, protocol: i32, fds: UserAddr), full, "socketpair(2)", linux32 = "socketpair"),
            (54, now, socket::setsockopt, (fd: Fd, level: i32, option: i32, value: UserAddr, len: i32), partial("SOL_SOCKET; no filters, marks or time stamps"), "setsockopt(2)", linux32 = "setsockopt"),
            (55, now, socket::getsockopt, (fd: Fd, level: i32, option: i32, value: UserAddr, len: UserAddr), partial("SOL_SOCKET; no filters, marks or time stamps"), "getsockopt(2)", linux32 = "getsockopt"),
            (56, now, process::clone, (flags: u32, stack: UserAddr, parent_tid: UserAddr, tls: UserAddr, child_tid: UserAddr), partial("threads; fork and vfork have imports of their own"), "clone(2)", linux32 = "clone"),
            (57, may_block, process::fork, (), partial("not through syscall(2), nor in programs that change their tables"), "fork(2)", linux32 = "fork"),
            (58, may_block, process::vfork, (), full, "vfork(2)", linux32 = "vfork"),
            (59, may_block, process::execve, (path: UserAddr, argv: UserAddr, envp: UserAddr), full, "execve(2)", linux32 = "execve"),
            (60, now, process::exit, (status: i32), full, "exit(2)", linux32 = "exit"),
            (61, may_block, process::wait4, (pid: Pid, status: UserAddr, options: u32, usage: UserAddr), full, "wait4(2)", linux32 = "wait4"),
            (62, now, signal::kill, (pid: Pid, signal: i32), full, "kill(2)", linux32 = "kill"),
            (63, now, system::uname, (buf: UserAddr), full, "uname(2)", linux32 = "uname"),
            (64, now, sysv::semget, (key: i32, count: i32, flags: u32), full, "semget(2)", linux32 = "semget"),
            (65, may_block, sysv::semop, (id: i32, operations: UserAddr, nr_operations: u32), full, "semop(2)", linux32 = "semop"),
            (66, now, sysv::semctl, (id: i32, index: i32, command: i32, argument: u32), partial("no IPC_INFO, SEM_INFO and SEM_STAT"), "semctl(2)", linux32 = "semctl"),
            (67, now, sysv::shmdt, (address: UserAddr), full, "shmdt(2)", linux32 = "shmdt"),
            (68, now, sysv::msgget, (key: i32, flags: u32), full, "msgget(2)", linux32 = "msgget"),
            (69, may_block, sysv::msgsnd, (id: i32, message: UserAddr, size: usize, flags: u32), full, "msgsnd(2)", linux32 = "msgsnd"),
            (70, may_block, sysv::msgrcv, (id: i32, message: UserAddr, size: usize, kind: i32, flags: u32), full, "msgrcv(2)", linux32 = "msgrcv"),
            (71, now, sysv::msgctl, (id: i32, command: i32, buf: UserAddr), partial("IPC_STAT, IPC_SET and IPC_RMID"), "msgctl(2)", linux32 = "msgctl"),
            (72, may_block, fd::fcntl64, (fd: Fd, command: i32, argument: u32), partial("no leases, no F_NOTIFY, no F_SETSIG"), "fcntl(2)", linux32 = "fcntl64"),
            (73, may_block, fd::flock, (fd: Fd, operation: u32), full, "flock(2)", linux32 = "flock"),
            (74, may_block, file::fsync, (fd: Fd), full, "fsync(2)", linux32 = "fsync"),
            (75, may_block, file::fdatasync, (fd: Fd), full, "fdatasync(2)", linux32 = "fdatasync"),
            (76, now, file::truncate64, (path: UserAddr, len: i64), full, "truncate(2)", linux32 = "truncate64"),
            (77, now, file::ftruncate64, (fd: Fd, len: i64), full, "ftruncate(2)", linux32 = "ftruncate64"),
            (79, now, dir::getcwd, (buf: UserAddr, size: usize), full, "getcwd(2)", linux32 = "getcwd"),
            (80, now, dir::chdir, (path: UserAddr), full, "chdir(2)", linux32 = "chdir"),
            (81, now, dir::fchdir, (fd: Fd), full, "fchdir(2)", linux32 = "fchdir"),
            (82, now, dir::rename, (old_path: UserAddr, new_path: UserAddr), full, "rename(2)", linux32 = "rename"),
            (83, now, dir::mkdir, (path: UserAddr, mode: u32), full, "mkdir(2)", linux32 = "mkdir"),
            (84, now, dir::rmdir, (path: UserAddr), full, "rmdir(2)", linux32 = "rmdir"),
            (85, may_block, dir::creat, (path: UserAddr, mode: u32), full, "creat(2)", linux32 = "creat"),
            (86, now, dir::link, (old_path: UserAddr, new_path: UserAddr), full, "link(2)", linux32 = "link"),
            (87, now, dir::unlink, (path: UserAddr), full, "unlink(2)", linux32 = "unlink"),
            (88, now, dir::symlink, (target: UserAddr, link_path: UserAddr), full, "symlink(2)", linux32 = "symlink"),
            (89, now, dir::readlink, (path: UserAddr, buf: UserAddr, size: usize), full, "readlink(2)", linux32 = "readlink"),
            (90, now, file::chmod, (path: UserAddr, mode: u32), full, "chmod(2)", linux32 = "chmod"),
            (91, now, file::fchmod, (fd: Fd, mode: u32), full, "fchmod(2)", linux32 = "fchmod"),
            (92, now, file::chown, (path: UserAddr, owner: u32, group: u32), full, "chown(2)", linux32 = "chown"),
            (93, now, file::fchown, (fd: Fd, owner: u32, group: u32), full, "fchown(2)", linux32 = "fchown"),
            (94, now, file::lchown, (path: UserAddr, owner: u32, group: u32), full, "lchown(2)", linux32 = "lchown"),
            (95, now, dir::umask, (mask: u32), full, "umask(2)", linux32 = "umask"),
            (96, now, time::gettimeofday, (time: UserAddr, zone: UserAddr), full, "gettimeofday(2)", linux32 = "gettimeofday"),
            (97, now, system::getrlimit, (resource: u32, limit: UserAddr), full, "getrlimit(2)", linux32 = "getrlimit"),
            (98, now, system::getrusage, (who: i32, usage: UserAddr), partial("times and maxrss only"), "getrusage(2)", linux32 = "getrusage"),
            (99, now, system::sysinfo, (info: UserAddr), full, "sysinfo(2)", linux32 = "sysinfo"),
            (100, now, time::times, (buf: UserAddr), full, "times(2)", linux32 = "times"),
            (102, now, credentials::getuid, (), full, "getuid(2)", linux32 = "getuid"),
            (103, now, system::syslog, (action: i32, buf: UserAddr, len: i32), partial("reads and sizes; the console level is fixed"), "syslog(2)", linux32 = "syslog"),
            (104, now, credentials::getgid, (), full, "getgid(2)", linux32 = "getgid"),
            (105, now, credentials::setuid, (uid: u32), full, "setuid(2)", linux32 = "setuid"),
            (106, now, credentials::setgid, (gid: u32), full, "setgid(2)", linux32 = "setgid"),
            (107, now, credentials::geteuid, (), full, "geteuid(2)", linux32 = "geteuid"),
            (108, now, credentials::getegid, (), full, "getegid(2)", linux32 = "getegid"),
            (109, now, process::setpgid, (pid: Pid, group: Pid), full, "setpgid(2)", linux32 = "setpgid"),
            (110, now, process::getppid, (), full, "getppid(2)", linux32 = "getppid"),
            (111, now, process::getpgrp, (), full, "getpgrp(2)", linux32 = "getpgrp"),
            (112, now, process::setsid, (), full, "setsid(2)", linux32 = "setsid"),
            (113, now, credentials::setreuid, (real: u32, effective: u32), full, "setreuid(2)", linux32 = "setreuid"),
            (114, now, credentials::setregid, (real: u32, effective: u32), full, "setregid(2)", linux32 = "setregid"),
            (115, now, credentials::getgroups, (size: i32, list: UserAddr), full, "getgroups(2)", linux32 = "getgroups"),
            (116, now, credentials::setgroups, (size: i32, list: UserAddr), full, "setgroups(2)", linux32 = "setgroups"),
            (117, now, credentials::setresuid, (real: u32, effective: u32, saved: u32), full, "setresuid(2)", linux32 = "setresuid"),
            (118, now, credentials::getresuid, (real: UserAddr, effective: UserAddr, saved: UserAddr), full, "getresuid(2)", linux32 = "getresuid"),
            (119, now, credentials::setresgid, (real: u32, effective: u32, saved: u32), full, "setresgid(2)", linux32 = "setresgid"),
            (120, now, credentials::getresgid, (real: UserAddr, effective: UserAddr, saved: UserAddr), full, "getresgid(2)", linux32 = "getresgid"),
            (121, now, process::getpgid, (pid: Pid), full, "getpgid(2)", linux32 = "getpgid"),
            (122, now, credentials::setfsuid, (uid: u32), full, "setfsuid(2)", linux32 = "setfsuid"),
            (123, now, credentials::setfsgid, (gid: u32), full, "setfsgid(2)", linux32 = "setfsgid"),
            (124, now, process::getsid, (pid: Pid), full, "getsid(2)", linux32 = "getsid"),
            (125, now, credentials::capget, (header: UserAddr, data: UserAddr), full, "capget(2)", linux32 = "capget"),
            (126, now, credentials::capset, (header: UserAddr, data: UserAddr), full, "capset(2)", linux32 = "capset"),
            (127, now, signal::rt_sigpending, (set: UserAddr, set_size: usize), full, "sigpending(2)", linux32 = "rt_sigpending"),
            (128, may_block, signal::rt_sigtimedwait_time64, (set: UserAddr, info: UserAddr, timeout: UserAddr, set_size: usize), full, "sigtimedwait(2)", linux32 = "rt_sigtimedwait_time64"),
            (129, now, signal::rt_sigqueueinfo, (pid: Pid, signal: i32, info: UserAddr), full, "rt_sigqueueinfo(2)", linux32 = "rt_sigqueueinfo"),
            (130, may_block, signal::rt_sigsuspend, (set: UserAddr, set_size: usize), full, "sigsuspend(2)", linux32 = "rt_sigsuspend"),
            (131, now, signal::sigaltstack, (stack: UserAddr, old_stack: UserAddr), full, "sigaltstack(2)", linux32 = "sigaltstack"),
            (133, now, dir::mknod, (path: UserAddr, mode: u32, device: u32), full, "mknod(2)", linux32 = "mknod"),
            (135, now, system::personality, (persona: u32), partial("PER_LINUX only"), "personality(2)", linux32 = "personality"),
            (137, now, file::statfs64, (path: UserAddr, size: usize, buf: UserAddr), full, "statfs(2)", linux32 = "statfs64"),
            (138, now, file::fstatfs64, (fd: Fd, size: usize, buf: UserAddr), full, "fstatfs(2)", linux32 = "fstatfs64"),
            (140, now, system::getpriority, (which: i32, who: i32), full, "getpriority(2)", linux32 = "getpriority"),
            (141, now, system::setpriority, (which: i32, who: i32, nice: i32), full, "setpriority(2)", linux32 = "setpriority"),
            (142, now, system::sched_setparam, (pid: Pid, param: UserAddr), full, "sched_setparam(2)", linux32 = "sched_setparam"),
            (143, now, system::sched_getparam, (pid: Pid, param: UserAddr), full, "sched_getparam(2)", linux32 = "sched_getparam"),
            (144, now, system::sched_setscheduler, (pid: Pid, policy: i32, param: UserAddr), partial("real-time policies share time as the least nice do; no SCHED_DEADLINE"), "sched_setscheduler(2)", linux32 = "sched_setscheduler"),
            (145, now, system::sched_getscheduler, (pid: Pid), full, "sched_getscheduler(2)", linux32 = "sched_getscheduler"),
            (146, now, system::sched_get_priority_max, (policy: i32), full, "sched_get_priority_max(2)", linux32 = "sched_get_priority_max"),
            (147, now, system::sched_get_priority_min, (policy: i32), full, "sched_get_priority_min(2)", linux32 = "sched_get_priority_min"),
            (148, now, system::sched_rr_get_interval_time64, (pid: Pid, interval: UserAddr), full, "sched_rr_get_interval(2)", linux32 = "sched_rr_get_interval_time64"),
            (149, now, memory::mlock, (address: UserAddr, len: usize), partial("memory is never paged out: checked only"), "mlock(2)", linux32 = "mlock"),
            (150, now, memory::munlock, (address: UserAddr, len: usize), partial("memory is never paged out: checked only"), "munlock(2)", linux32 = "munlock"),
            (151, now, memory::mlockall, (flags: u32), full, "mlockall(2)", linux32 = "mlockall"),
            (152, now, memory::munlockall, (), full, "munlockall(2)", linux32 = "munlockall"),
            (153, now, tty::vhangup, (), full, "vhangup(2)", linux32 = "vhangup"),
            (157, now, system::prctl, (option: i32, arg2: u32, arg3: u32, arg4: u32, arg5: u32), partial("no seccomp, no ptracer, no memory layout, no speculation control"), "prctl(2)", linux32 = "prctl"),
            (160, now, system::setrlimit, (resource: u32, limit: UserAddr), full, "setrlimit(2)", linux32 = "setrlimit"),
            (161, now, dir::chroot, (path: UserAddr), full, "chroot(2)", linux32 = "chroot"),
            (162, may_block, file::sync, (), full, "sync(2)", linux32 = "sync"),
            (165, may_block, dir::mount, (source: UserAddr, target: UserAddr, kind: UserAddr, flags: u32, data: UserAddr), partial("no propagation"), "mount(2)", linux32 = "mount"),
            (166, may_block, dir::umount2, (target: UserAddr, flags: u32), full, "umount2(2)", linux32 = "umount2"),
            (169, now, system::reboot, (magic: u32, magic2: u32, command: u32, argument: UserAddr), partial("halt, power off and restart; no kexec"), "reboot(2)", linux32 = "reboot"),
            (170, now, system::sethostname, (name: UserAddr, len: i32), full, "sethostname(2)", linux32 = "sethostname"),
            (171, now, system::setdomainname, (name: UserAddr, len: i32), full, "setdomainname(2)", linux32 = "setdomainname"),
            (186, now, process::gettid, (), full, "gettid(2)", linux32 = "gettid"),
            (188, now, xattr::setxattr, (path: UserAddr, name: UserAddr, value: UserAddr, size: usize, flags: u32), partial("no POSIX ACLs"), "setxattr(2)", linux32 = "setxattr"),
            (189, now, xattr::lsetxattr, (path: UserAddr, name: UserAddr, value: UserAddr, size: usize, flags: u32), partial("no POSIX ACLs"), "setxattr(2)", linux32 = "lsetxattr"),
            (190, now, xattr::fsetxattr, (fd: Fd, name: UserAddr, value: UserAddr, size: usize, flags: u32), partial("no POSIX ACLs"), "setxattr(2)", linux32 = "fsetxattr"),
            (191, now, xattr::getxattr, (path: UserAddr, name: UserAddr, value: UserAddr, size: usize), partial("no POSIX ACLs"), "getxattr(2)", linux32 = "getxattr"),
            (192, now, xattr::lgetxattr, (path: UserAddr, name: UserAddr, value: UserAddr, size: usize), partial("no POSIX ACLs"), "getxattr(2)", linux32 = "lgetxattr"),
            (193, now, xattr::fgetxattr, (fd: Fd, name: UserAddr, value: UserAddr, size: usize), partial("no POSIX ACLs"), "getxattr(2)", linux32 = "fgetxattr"),
            (194, now, xattr::listxattr, (path: UserAddr, names: UserAddr, size: usize), partial("no POSIX ACLs"), "listxattr(2)", linux32 = "listxattr"),
            (195, now, xattr::llistxattr, (path: UserAddr, names: UserAddr, size: usize), partial("no POSIX ACLs"), "listxattr(2)", linux32 = "llistxattr"),
            (196, now, xattr::flistxattr, (fd: Fd, names: UserAddr, size: usize), partial("no POSIX ACLs"), "listxattr(2)", linux32 = "flistxattr"),
            (197, now, xattr::removexattr, (path: UserAddr, name: UserAddr), partial("no POSIX ACLs"), "removexattr(2)", linux32 = "removexattr"),
            (198, now, xattr::lremovexattr, (path: UserAddr, name: UserAddr), partial("no POSIX ACLs"), "removexattr(2)", linux32 = "lremovexattr"),
            (199, now, xattr::fremovexattr, (fd: Fd, name: UserAddr), partial("no POSIX ACLs"), "removexattr(2)", linux32 = "fremovexattr"),
            (200, now, signal::tkill, (tid: Pid, signal: i32), full, "tkill(2)", linux32 = "tkill"),
            (201, now, time::time, (result: UserAddr), full, "time(2)", linux32 = "time"),
            (202, may_block, futex::futex_time64, (address: UserAddr, operation: i32, value: u32, timeout: UserAddr, address2: UserAddr, value3: u32), partial("no priority inheritance"), "futex(2)", linux32 = "futex_time64"),
            (203, now, system::sched_setaffinity, (pid: Pid, len: usize, mask: UserAddr), partial("children follow the mask at once, a running program at its next exec"), "sched_setaffinity(2)", linux32 = "sched_setaffinity"),
            (204, now, system::sched_getaffinity, (pid: Pid, len: usize, mask: UserAddr), full, "sched_getaffinity(2)", linux32 = "sched_getaffinity"),
            (213, now, event::epoll_create, (size: i32), full, "epoll_create(2)", linux32 = "epoll_create"),
            (217, now, dir::getdents64, (fd: Fd, buf: UserAddr, count: usize), full, "getdents64(2)", linux32 = "getdents64"),
            (218, now, process::set_tid_address, (address: UserAddr), full, "set_tid_address(2)", linux32 = "set_tid_address"),
            (220, may_block, sysv::semtimedop_time64, (id: i32, operations: UserAddr, nr_operations: u32, timeout: UserAddr), full, "semtimedop(2)", linux32 = "semtimedop_time64"),
            (221, now, file::fadvise64_64, (fd: Fd, offset: i64, len: i64, advice: i32), partial("checked and ignored, as Linux may"), "posix_fadvise(2)", linux32 = "fadvise64_64"),
            (222, now, timer::timer_create, (clock: i32, event: UserAddr, id: UserAddr), partial("not on the clocks of other processes"), "timer_create(2)", linux32 = "timer_create"),
            (223, now, timer::timer_settime64, (id: i32, flags: u32, value: UserAddr, old_value: UserAddr), full, "timer_settime(2)", linux32 = "timer_settime64"),
            (224, now, timer::timer_gettime64, (id: i32, value: UserAddr), full, "timer_gettime(2)", linux32 = "timer_gettime64"),
            (225, now, timer::timer_getoverrun, (id: i32), full, "timer_getoverrun(2)", linux32 = "timer_getoverrun"),
            (226, now, timer::timer_delete, (id: i32), full, "timer_delete(2)", linux32 = "timer_delete"),
            (227, now, time::clock_settime64, (clock: i32, time: UserAddr), partial("the host's clock cannot be set: EPERM"), "clock_settime(2)", linux32 = "clock_settime64"),
            (228, now, time::clock_gettime64, (clock: i32, time: UserAddr), full, "clock_gettime(2)", linux32 = "clock_gettime64"),
            (229, now, time::clock_getres_time64, (clock: i32, resolution: UserAddr), full, "clock_getres(2)", linux32 = "clock_getres_time64"),
            (230, may_block, time::clock_nanosleep_time64, (clock: i32, flags: u32, request: UserAddr, remain: UserAddr), full, "clock_nanosleep(2)", linux32 = "clock_nanosleep_time64"),
            (231, now, process::exit_group, (status: i32), full, "exit_group(2)", linux32 = "exit_group"),
            (232, may_block, event::epoll_wait, (epoll: Fd, events: UserAddr, max_events: i32, timeout_ms: i32), full, "epoll_wait(2)", linux32 = "epoll_wait"),
            (233, now, event::epoll_ctl, (epoll: Fd, operation: i32, fd: Fd, event: UserAddr), full, "epoll_ctl(2)", linux32 = "epoll_ctl"),
            (234, now, signal::tgkill, (group: Pid, tid: Pid, signal: i32), full, "tgkill(2)", linux32 = "tgkill"),
            (240, now, mqueue::mq_open, (name: UserAddr, flags: u32, mode: u32, attributes: UserAddr), full, "mq_open(2)", linux32 = "mq_open"),
            (241, now, mqueue::mq_unlink, (name: UserAddr), full, "mq_unlink(2)", linux32 = "mq_unlink"),
            (242, may_block, mqueue::mq_timedsend_time64, (fd: Fd, message: UserAddr, len: usize, priority: u32, timeout: UserAddr), full, "mq_timedsend(2)", linux32 = "mq_timedsend_time64"),
            (243, may_block, mqueue::mq_timedreceive_time64, (fd: Fd, message: UserAddr, len: usize, priority: UserAddr, timeout: UserAddr), full, "mq_timedreceive(2)", linux32 = "mq_timedreceive_time64"),
            (244, now, mqueue::mq_notify, (fd: Fd, event: UserAddr), partial("no SIGEV_THREAD"), "mq_notify(2)", linux32 = "mq_notify"),
            (245, now, mqueue::mq_getsetattr, (fd: Fd, new: UserAddr, old: UserAddr), full, "mq_getsetattr(2)", linux32 = "mq_getsetattr"),
            (247, may_block, process::waitid, (kind: i32, id: Pid, info: UserAddr, options: u32, usage: UserAddr), full, "waitid(2)", linux32 = "waitid"),
            (251, now, system::ioprio_set, (which: i32, who: i32, priority: i32), partial("recorded; disk requests are served in order"), "ioprio_set(2)", linux32 = "ioprio_set"),
            (252, now, system::ioprio_get, (which: i32, who: i32), full, "ioprio_get(2)", linux32 = "ioprio_get"),
            (253, now, inotify::inotify_init, (), full, "inotify_init(2)", linux32 = "inotify_init"),
            (254, now, inotify::inotify_add_watch, (inotify: Fd, path: UserAddr, mask: u32), full, "inotify_add_watch(2)", linux32 = "inotify_add_watch"),
            (255, now, inotify::inotify_rm_watch, (inotify: Fd, watch: i32), full, "inotify_rm_watch(2)", linux32 = "inotify_rm_watch"),
            (257, may_block, dir::openat, (dir: Fd, path: UserAddr, flags: OpenFlags, mode: u32), full, "openat(2)", linux32 = "openat"),
            (258, now, dir::mkdirat, (dir: Fd, path: UserAddr, mode: u32), full, "mkdirat(2)", linux32 = "mkdirat"),
            (259, now, dir::mknodat, (dir: Fd, path: UserAddr, mode: u32, device: u32), full, "mknodat(2)", linux32 = "mknodat"),
            (260, now, file::fchownat, (dir: Fd, path: UserAddr, owner: u32, group: u32, flags: u32), full, "fchownat(2)", linux32 = "fchownat"),
            (262, now, file::fstatat64, (dir: Fd, path: UserAddr, buf: UserAddr, flags: u32), full, "fstatat(2)", linux32 = "fstatat64"),
            (263, now, dir::unlinkat, (dir: Fd, path: UserAddr, flags: u32), full, "unlinkat(2)", linux32 = "unlinkat"),
            (264, now, dir::renameat, (old_dir: Fd, old_path: UserAddr, new_dir: Fd, new_path: UserAddr), full, "renameat(2)", linux32 = "renameat"),
            (265, now, dir::linkat, (old_dir: Fd, old_path: UserAddr, new_dir: Fd, new_path: UserAddr, flags: u32), full, "linkat(2)", linux32 = "linkat"),
            (266, now, dir::symlinkat, (target: UserAddr, dir: Fd, link_path: UserAddr), full, "symlinkat(2)", linux32 = "symlinkat"),
            (267, now, dir::readlinkat, (dir: Fd, path: UserAddr, buf: UserAddr, size: usize), full, "readlinkat(2)", linux32 = "readlinkat"),
            (268, now, file::fchmodat, (dir: Fd, path: UserAddr, mode: u32), full, "fchmodat(2)", linux32 = "fchmodat"),
            (269, now, dir::faccessat, (dir: Fd, path: UserAddr, mode: u32), full, "faccessat(2)", linux32 = "faccessat"),
            (270, may_block, poll::pselect6_time64, (nr_fds: i32, read_fds: UserAddr, write_fds: UserAddr, except_fds: UserAddr, timeout: UserAddr, mask: UserAddr), full, "pselect(2)", linux32 = "pselect6_time64"),
            (271, may_block, poll::ppoll_time64, (fds: UserAddr, nr_fds: u32, timeout: UserAddr, mask: UserAddr, set_size: usize), full, "ppoll(2)", linux32 = "ppoll_time64"),
            (272, now, system::unshare, (flags: u32), partial("EINVAL for namespaces, and from one of several threads"), "unshare(2)", linux32 = "unshare"),
            (273, now, futex::set_robust_list, (head: UserAddr, len: usize), full, "set_robust_list(2)", linux32 = "set_robust_list"),
            (274, now, futex::get_robust_list, (pid: Pid, head: UserAddr, len: UserAddr), full, "get_robust_list(2)", linux32 = "get_robust_list"),
            (275, may_block, file::splice, (in_fd: Fd, in_offset: UserAddr, out_fd: Fd, out_offset: UserAddr, len: usize, flags: u32), full, "splice(2)", linux32 = "splice"),
            (276, may_block, file::tee, (in_fd: Fd, out_fd: Fd, len: usize, flags: u32), full, "tee(2)", linux32 = "tee"),
            (277, may_block, file::sync_file_range, (fd: Fd, offset: i64, len: i64, flags: u32), partial("writes the whole file"), "sync_file_range(2)", linux32 = "sync_file_range"),
            (278, may_block, file::vmsplice, (fd: Fd, iov: UserAddr, nr_iov: u32, flags: u32), partial("memory is copied, not lent"), "vmsplice(2)", linux32 = "vmsplice"),
            (280, now, file::utimensat_time64, (dir: Fd, path: UserAddr, times: UserAddr, flags: u32), full, "utimensat(2)", linux32 = "utimensat_time64"),
            (281, may_block, event::epoll_pwait, (epoll: Fd, events: UserAddr, max_events: i32, timeout_ms: i32, mask: UserAddr, set_size: usize), full, "epoll_pwait(2)", linux32 = "epoll_pwait"),
            (282, now, event::signalfd, (fd: Fd, mask: UserAddr, set_size: usize), full, "signalfd(2)", linux32 = "signalfd"),
            (283, now, timer::timerfd_create, (clock: i32, flags: OpenFlags), full, "timerfd_create(2)", linux32 = "timerfd_create"),
            (284, now, event::eventfd, (count: u32), full, "eventfd(2)", linux32 = "eventfd"),
            (285, now, file::fallocate, (fd: Fd, mode: u32, offset: i64, len: i64), partial("no COLLAPSE_RANGE and INSERT_RANGE; on Ext2 no space behind the end"), "fallocate(2)", linux32 = "fallocate"),
            (286, now, timer::timerfd_settime64, (fd: Fd, flags: u32, value: UserAddr, old_value: UserAddr), partial("nobody sets the clock, so TFD_TIMER_CANCEL_ON_SET never cancels"), "timerfd_settime(2)", linux32 = "timerfd_settime64"),
            (287, now, timer::timerfd_gettime64, (fd: Fd, value: UserAddr), full, "timerfd_gettime(2)", linux32 = "timerfd_gettime64"),
            (288, may_block, socket::accept4, (fd: Fd, address: UserAddr, len: UserAddr, flags: i32), full, "accept4(2)", linux32 = "accept4"),
            (289, now, event::signalfd4, (fd: Fd, mask: UserAddr, set_size: usize, flags: OpenFlags), full, "signalfd4(2)", linux32 = "signalfd4"),
            (290, now, event::eventfd2, (count: u32, flags: OpenFlags), full, "eventfd2(2)", linux32 = "eventfd2"),
            (291, now, event::epoll_create1, (flags: OpenFlags), full, "epoll_create1(2)", linux32 = "epoll_create1"),
            (292, now, fd::dup3, (old_fd: Fd, new_fd: Fd, flags: OpenFlags), full, "dup3(2)", linux32 = "dup3"),
            (293, now, pipe::pipe2, (fds: UserAddr, flags: OpenFlags), partial("no O_DIRECT packets, no O_NOTIFICATION_PIPE"), "pipe2(2)", linux32 = "pipe2"),
            (294, now, inotify::inotify_init1, (flags: OpenFlags), full, "inotify_init1(2)", linux32 = "inotify_init1"),
            (295, now, file::preadv, (fd: Fd, iov: UserAddr, nr_iov: u32, offset: i64), full, "preadv(2)", linux32 = "preadv"),
            (296, now, file::pwritev, (fd: Fd, iov: UserAddr, nr_iov: u32, offset: i64), full, "pwritev(2)", linux32 = "pwritev"),
            (297, now, signal::rt_tgsigqueueinfo, (group: Pid, tid: Pid, signal: i32, info: UserAddr), full, "rt_tgsigqueueinfo(2)", linux32 = "rt_tgsigqueueinfo"),
            (299, may_block, socket::recvmmsg_time64, (fd: Fd, messages: UserAddr, nr_messages: u32, flags: u32, timeout: UserAddr), partial("no MSG_OOB"), "recvmmsg(2)", linux32 = "recvmmsg_time64"),
            (302, now, system::prlimit64, (pid: Pid, resource: u32, limit: UserAddr, old_limit: UserAddr), full, "prlimit(2)", linux32 = "prlimit64"),
            (306, may_block, file::syncfs, (fd: Fd), full, "syncfs(2)", linux32 = "syncfs"),
            (307, may_block, socket::sendmmsg, (fd: Fd, messages: UserAddr, nr_messages: u32, flags: u32), partial("no MSG_OOB"), "sendmmsg(2)", linux32 = "sendmmsg"),
            (309, now, system::getcpu, (cpu: UserAddr, node: UserAddr, cache: UserAddr), full, "getcpu(2)", linux32 = "getcpu"),
            (310, may_block, system::process_vm_readv, (pid: Pid, local: UserAddr, nr_local: u32, remote: UserAddr, nr_remote: u32, flags: u32), partial("1 MiB at a time"), "process_vm_readv(2)", linux32 = "process_vm_readv"),
            (311, may_block, system::process_vm_writev, (pid: Pid, local: UserAddr, nr_local: u32, remote: UserAddr, nr_remote: u32, flags: u32), partial("1 MiB at a time"), "process_vm_writev(2)", linux32 = "process_vm_writev"),
            (312, now, system::kcmp, (first: Pid, second: Pid, kind: i32, first_index: u32, second_index: u32), partial("no KCMP_EPOLL_TFD"), "kcmp(2)", linux32 = "kcmp"),
            (314, now, system::sched_setattr, (pid: Pid, attr: UserAddr, flags: u32), partial("no SCHED_DEADLINE, no utilization clamps"), "sched_setattr(2)", linux32 = "sched_setattr"),
            (315, now, system::sched_getattr, (pid: Pid, attr: UserAddr, size: u32, flags: u32), full, "sched_getattr(2)", linux32 = "sched_getattr"),
            (316, now, dir::renameat2, (old_dir: Fd, old_path: UserAddr, new_dir: Fd, new_path: UserAddr, flags: u32), full, "renameat2(2)", linux32 = "renameat2"),
            (318, now, system::getrandom, (buf: UserAddr, len: usize, flags: u32), full, "getrandom(2)", linux32 = "getrandom"),
            (319, now, memory::memfd_create, (name: UserAddr, flags: u32), partial("no huge pages"), "memfd_create(2)", linux32 = "memfd_create"),
            (322, may_block, process::execveat, (dir: Fd, path: UserAddr, argv: UserAddr, envp: UserAddr, flags: u32), full, "execveat(2)", linux32 = "execveat"),
            (324, now, system::membarrier, (command: i32, flags: u32, cpu: i32), partial("query and the global commands"), "membarrier(2)", linux32 = "membarrier"),
            (325, now, memory::mlock2, (address: UserAddr, len: usize, flags: u32), full, "mlock2(2)", linux32 = "mlock2"),
            (326, now, file::copy_file_range, (in_fd: Fd, in_offset: UserAddr, out_fd: Fd, out_offset: UserAddr, len: usize, flags: u32), full, "copy_file_range(2)", linux32 = "copy_file_range"),
            (327, may_block, file::preadv2, (fd: Fd, iov: UserAddr, nr_iov: u32, offset: i64, flags: u32), full, "preadv2(2)", linux32 = "preadv2"),
            (328, may_block, file::pwritev2, (fd: Fd, iov: UserAddr, nr_iov: u32, offset: i64, flags: u32), partial("no RWF_ATOMIC"), "pwritev2(2)", linux32 = "pwritev2"),
            (332, now, file::statx, (dir: Fd, path: UserAddr, flags: u32, mask: u32, buf: UserAddr), full, "statx(2)", linux32 = "statx"),
            (424, now, pidfd::pidfd_send_signal, (fd: Fd, signal: i32, info: UserAddr, flags: u32), partial("no folders of /proc as descriptors"), "pidfd_send_signal(2)", linux32 = "pidfd_send_signal"),
            (434, now, pidfd::pidfd_open, (pid: Pid, flags: u32), full, "pidfd_open(2)", linux32 = "pidfd_open"),
            (436, now, fd::close_range, (first: u32, last: u32, flags: u32), full, "close_range(2)", linux32 = "close_range"),
            (438, now, pidfd::pidfd_getfd, (pidfd: Fd, fd: Fd, flags: u32), full, "pidfd_getfd(2)", linux32 = "pidfd_getfd"),
            (439, now, dir::faccessat2, (dir: Fd, path: UserAddr, mode: u32, flags: u32), full, "faccessat2(2)", linux32 = "faccessat2"),
            (440, now, system::process_madvise, (pidfd: Fd, iov: UserAddr, nr_iov: u32, advice: i32, flags: u32), partial("advice is checked and ignored"), "process_madvise(2)", linux32 = "process_madvise"),
            (441, may_block, event::epoll_pwait2, (epoll: Fd, events: UserAddr, max_events: i32, timeout: UserAddr, mask: UserAddr, set_size: usize), full, "epoll_pwait2(2)", linux32 = "epoll_pwait2"),
            (452, now, file::fchmodat2, (dir: Fd, path: UserAddr, mode: u32, flags: u32), full, "fchmodat2(2)", linux32 = "fchmodat2"),
            (1264, may_block, futex::futex, (address: UserAddr, operation: i32, value: u32, timeout: UserAddr, address2: UserAddr, value3: u32), partial("no priority inheritance"), "futex(2)", linux32 = "futex"),
            (1289, now, time::clock_gettime, (clock: i32, time: UserAddr), full, "clock_gettime(2)", linux32 = "clock_gettime"),
        }
    };
}

/// How much of a call's manual page holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// All that a guest can see of Linux's behaviour.
    Full,
    /// All but what the text says.
    Partial(&'static str),
    /// Nothing: answers `ENOSYS`.
    Missing,
}

/// One row of the table as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyscallInfo {
    /// x86-64's number, or [`I386_BASE`](crate::special::I386_BASE) + i386's.
    pub number: u32,
    /// The name as strace prints it; also the handler's.
    pub name: &'static str,
    /// The file in crate `syscalls` that holds the handler.
    pub family: &'static str,
    /// Whether the call may wait, so that its handler is an `async fn`.
    pub may_block: bool,
    /// How complete it is.
    pub level: Level,
    /// The manual page, e.g. `"read(2)"`.
    pub man: &'static str,
    /// The name of its linux32 import without `__syscall_`.
    pub linux32: &'static str,
    /// Name and type of each argument.
    pub args: &'static [(&'static str, &'static str)],
}

impl SyscallInfo {
    /// How many 32-bit words the arguments take: two for an `i64`, one for all others.
    pub fn nr_words(&self) -> usize {
        let wide = self.args.iter().filter(|(_, kind)| *kind == "i64").count();
        self.args.len().saturating_add(wide)
    }
}

macro_rules! level {
    (full) => {
        Level::Full
    };
    (partial $note:literal) => {
        Level::Partial($note)
    };
    (missing) => {
        Level::Missing
    };
}

macro_rules! may_block {
    (now) => {
        false
    };
    (may_block) => {
        true
    };
}

macro_rules! as_data {
    ($(($number:literal, $kind:ident, $family:ident :: $name:ident,
        ($($arg:ident : $type:ty),*), $level:ident $(($note:literal))?, $man:literal,
        linux32 = $linux32:literal),)*) => {
        /// Every row of the table, in ascending order of the number.
        pub const SYSCALLS: &[SyscallInfo] = &[$(SyscallInfo {
            number: $number,
            name: stringify!($name),
            family: stringify!($family),
            may_block: may_block!($kind),
            level: level!($level $($note)?),
            man: $man,
            linux32: $linux32,
            args: &[$((stringify!($arg), stringify!($type))),*],
        },)*];
    };
}

for_each_syscall!(as_data);

/// The row of a number, if the kernel has the call.
pub fn info(number: u32) -> Option<&'static SyscallInfo> {
    let index = SYSCALLS
        .binary_search_by_key(&number, |row| row.number)
        .ok()?;
    SYSCALLS.get(index)
}

/// The name of a call, implemented or not; `None` when Linux has no such number.
pub fn name_of(number: u32) -> Option<&'static str> {
    info(number)
        .map(|row| row.name)
        .or_else(|| crate::unimplemented::name_of(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unimplemented::UNIMPLEMENTED;

    #[test]
    fn rows_ascend_and_their_names_are_unique() {
        assert!(SYSCALLS.is_sorted_by(|a, b| a.number < b.number));
        for (i, row) in SYSCALLS.iter().enumerate() {
            assert!(
                SYSCALLS[..i].iter().all(|other| other.name != row.name),
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn rows_take_six_words_at_most_of_known_types() {
        const TYPES: &[&str] = &[
            "Fd",
            "UserAddr",
            "usize",
            "u32",
            "i32",
            "i64",
            "Pid",
            "OpenFlags",
        ];
        for row in SYSCALLS {
            assert!(row.nr_words() <= 6, "{}", row.name);
            assert!(
                row.args.iter().all(|(_, kind)| TYPES.contains(kind)),
                "{}",
                row.name
            );
            assert!(row.man.ends_with("(2)"), "{}", row.name);
        }
    }

    #[test]
    fn numbers_are_those_of_x86_64() {
        assert_eq!(info(0).map(|row| row.name), Some("read"));
        assert_eq!(
            info(59).map(|row| (row.name, row.may_block)),
            Some(("execve", true))
        );
        assert_eq!(info(439).map(|row| row.args.len()), Some(4));
        assert_eq!(info(1024 + 265).map(|row| row.name), Some("clock_gettime"));
    }

    #[test]
    fn every_number_has_one_name() {
        assert_eq!(name_of(41), Some("socket"));
        assert_eq!(name_of(228), Some("clock_gettime64"));
        assert_eq!(name_of(500), None);
        assert!(
            SYSCALLS
                .iter()
                .all(|row| UNIMPLEMENTED.iter().all(|(n, ..)| *n != row.number))
        );
        let all = (0..=334).chain(424..=462);
        assert!({ all }.all(|number| name_of(number).is_some()));
    }
}

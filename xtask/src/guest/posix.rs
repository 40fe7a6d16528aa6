//! The cases of Debian's `posixtestsuite`: small C programs, one for an assertion of POSIX each.
//!
//! - [`build`] compiles them for the guest as they are, to `target/guest/posix/`. One that does not
//!   compile leaves no program behind.
//! - [`record`] compiles them for this machine, and writes down how they end here.
//!
//! A case is called as its file below `conformance/interfaces`, with dots: `sem_wait.1-1`. The suite's
//! files that are only compiled, and its scripts (most say "tested elsewhere"), are no cases.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};

use super::expected::{ENVIRONMENT, oracle};
use super::sources::{clear, fetch};
use super::step::step;
use super::{out, sysroot};
use crate::command::limited;
use crate::tree::root;

/// They are full of warnings, and some forget a header.
const CFLAGS: &[&str] = &[
    "-O1",
    "-w",
    "-D_GNU_SOURCE",
    "-Iinclude",
    "-includefcntl.h",
    "-includesignal.h",
    "-pthread",
];

/// Cases that run at once on this machine: most sleep.
const LANES: usize = 24;

/// A case that takes longer is killed, as in a pod (`tests/posix/src/pods.ts`).
const SECONDS: u64 = 60;

/// How often a case is run at most until two runs end alike; one that passes at once is believed.
const TRIES: usize = 5;

/// Shorter cases are written down without their time.
const SLOW_SECONDS: u64 = 2;

/// Compiles the cases for the guest.
///
/// # Errors
/// The suite is in none of the machine's package sources, or the sysroot cannot be built.
pub(super) fn build() -> Result<()> {
    let sysroot = sysroot::build()?;
    let dir = out().join("posix");
    let print = sysroot.print.bytes(include_bytes!("posix.rs"));
    step("posix", print, || {
        let suite = fetch("posixtestsuite")?;
        clear(&dir)?;
        let compilers = thread::available_parallelism().map_or(1, NonZero::get);
        in_parallel(&cases(&suite)?, compilers, |case| {
            compile(&sysroot.cc(), &suite, case, &dir).map(drop)
        })
    })
}

/// Runs the cases on this machine, as root, and writes `tests/posix/linux.txt`.
///
/// # Errors
/// A case cannot be started here, or as for [`build`].
pub(super) fn record() -> Result<()> {
    let suite = fetch("posixtestsuite")?;
    let dir = out().join("native-posix");
    clear(&dir)?;
    let oracle = oracle()?;
    let ends = Mutex::new(BTreeMap::new());
    in_parallel(&cases(&suite)?, LANES, |case| {
        if let Some(program) = compile(Path::new("gcc"), &suite, case, &dir)? {
            let end = settle(&oracle, &program)?;
            let mut ends = ends.lock().unwrap_or_else(PoisonError::into_inner);
            ends.insert(case.name.clone(), end);
        }
        Ok(())
    })?;
    let ends = ends.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut text = "# case | how it ends on Linux | seconds, if it takes long \
                    (`cargo xtask record --posix` writes this)\n"
        .to_owned();
    for (name, End { result, seconds }) in ends {
        write!(text, "{name} | {result}")?;
        if seconds >= SLOW_SECONDS {
            write!(text, " | {seconds}")?;
        }
        text.push('\n');
    }
    fs::write(root().join("tests/posix/linux.txt"), text).context("cannot write linux.txt")
}

struct Case {
    name: String,
    /// Below the suite's folder.
    file: PathBuf,
}

/// The cases, in the order of their files' names.
fn cases(suite: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    let interfaces = Path::new("conformance/interfaces");
    for folder in entries(&suite.join(interfaces))? {
        // What POSIX leaves open is tested in a folder of its own.
        for folder in [folder.clone(), format!("{folder}/speculative")] {
            let below = interfaces.join(&folder);
            for file in entries(&suite.join(&below)).unwrap_or_default() {
                let file = below.join(file);
                if let Some(stem) = stem(&file)
                    && fs::read(suite.join(&file))?
                        .windows(4)
                        .any(|at| at == b"main")
                {
                    let name = format!("{}.{stem}", folder.replace('/', "."));
                    cases.push(Case { name, file });
                }
            }
        }
    }
    ensure!(!cases.is_empty(), "posixtestsuite has no cases");
    Ok(cases)
}

/// `1-2` of `1-2.c`; nothing for files that are part of others, or only compiled.
fn stem(file: &Path) -> Option<&str> {
    let stem = file.file_name()?.to_str()?.strip_suffix(".c")?;
    let (assertion, number) = stem.split_once('-')?;
    let is_number = |text: &str| text.parse::<u32>().is_ok();
    (is_number(assertion) && number.split('-').all(is_number)).then_some(stem)
}

/// The names in a folder, sorted.
fn entries(dir: &Path) -> Result<Vec<String>> {
    let mut names = fs::read_dir(dir)
        .with_context(|| format!("cannot read {}", dir.display()))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect::<Vec<_>>();
    names.sort();
    Ok(names)
}

/// Compiles a case; `None` when it is no program for this compiler.
fn compile(cc: &Path, suite: &Path, case: &Case, dir: &Path) -> Result<Option<PathBuf>> {
    let program = dir.join(&case.name);
    let status = Command::new(cc)
        .args(CFLAGS)
        .arg(&case.file)
        .arg("-o")
        .arg(&program)
        .args(["-lrt", "-lm"])
        .current_dir(suite)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {}", cc.display()))?;
    Ok(status.success().then_some(program))
}

/// How a case ends.
struct End {
    /// As `tests/posix/src/result.ts` has it.
    result: String,
    /// Rounded.
    seconds: u64,
}

/// Runs a program until it passes at once, or two runs end alike: many measure time.
fn settle(oracle: &Path, program: &Path) -> Result<End> {
    let mut seen: Vec<End> = Vec::new();
    loop {
        let end = run(oracle, program)?;
        let is_known = seen.iter().any(|other| other.result == end.result);
        if is_known || seen.len() >= TRIES || (seen.is_empty() && end.result == PASSES) {
            return Ok(end);
        }
        seen.push(end);
    }
}

/// Runs a program in an empty folder, with processes, queues and shared memory of its own, since some signal
/// all processes and some share a name; and without the right to set this machine's clock.
fn run(oracle: &Path, program: &Path) -> Result<End> {
    /// The first process of a namespace ignores signals, so the program is its child. Queues may be as
    /// long as root may make them, in case this machine's may not (`CAP_SYS_RESOURCE`).
    const SCRIPT: &str = "mount -t tmpfs none /dev/shm || exit 99
        echo 256 >/proc/sys/fs/mqueue/msg_max
        echo 16384 >/proc/sys/fs/mqueue/msgsize_max
        setpriv --bounding-set=-sys_time,-sys_boot \"$@\" & wait $!";
    // Not `with_extension`: a case's name has a dot already.
    let mut scratch = program.as_os_str().to_owned();
    scratch.push("-scratch");
    let scratch = PathBuf::from(scratch);
    clear(&scratch)?;
    let start = Instant::now();
    let status = limited(SECONDS)
        .args(["unshare", "--pid", "--ipc", "--mount"])
        .args(["--fork", "--mount-proc", "--kill-child"])
        .args(["sh", "-c", SCRIPT, "sh"])
        .args([oracle, program])
        .env_clear()
        .envs(ENVIRONMENT.iter().copied())
        .current_dir(&scratch)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("cannot start a case")?;
    let seconds = start
        .elapsed()
        .saturating_add(Duration::from_millis(500))
        .as_secs();
    fs::remove_dir_all(&scratch).context("cannot remove a scratch folder")?;
    ensure!(status.code() != Some(99), "cannot mount: this is not root");
    Ok(End {
        result: named(status.code().unwrap_or(KILLED)),
        seconds,
    })
}

/// The status of what `SIGKILL` ended.
const KILLED: i32 = 128 + 9;
const PASSES: &str = "passes";

/// The suite's word for an exit status.
fn named(status: i32) -> String {
    match status {
        0 => PASSES.to_owned(),
        1 => "fails".to_owned(),
        2 => "unresolved".to_owned(),
        4 => "unsupported".to_owned(),
        5 => "untested".to_owned(),
        129..=192 => format!("signal {}", status.saturating_sub(128)),
        _ => format!("status {status}"),
    }
}

/// Does something for each case, on so many threads.
fn in_parallel(
    cases: &[Case],
    threads: usize,
    work: impl Fn(&Case) -> Result<()> + Sync,
) -> Result<()> {
    let queue = Mutex::new(cases.iter());
    let next = || queue.lock().ok()?.next();
    thread::scope(|scope| {
        let workers = (0..threads)
            .map(|_| scope.spawn(|| std::iter::from_fn(next).try_for_each(&work)))
            .collect::<Vec<_>>();
        workers.into_iter().try_for_each(|worker| {
            worker
                .join()
                .map_err(|_| anyhow!("a thread has panicked"))?
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbered_files_are_cases() {
        assert_eq!(stem(Path::new("a/1-2.c")), Some("1-2"));
        assert_eq!(stem(Path::new("a/sigaction/12-3.c")), Some("12-3"));
        for file in [
            "testfrmw.c",
            "9-buildonly.c",
            "1-core-buildonly.c",
            "1-1.sh",
            "10.c",
        ] {
            assert_eq!(stem(Path::new(file)), None, "{file}");
        }
    }

    #[test]
    fn statuses_have_the_words_of_the_suite() {
        assert_eq!(named(0), PASSES);
        assert_eq!(named(5), "untested");
        assert_eq!(named(137), "signal 9");
        assert_eq!(named(77), "status 77");
        assert_eq!(named(255), "status 255");
    }
}

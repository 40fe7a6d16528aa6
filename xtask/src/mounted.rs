//! Suites for file systems, run on the pod's file system, which `tools/fuse` mounts on this machine.
//!
//! `pjdfstest` looks at what calls on files answer to whom; how its tests end on Linux's own ext2 is
//! recorded in `tests/mounted/linux.txt`. `fsx` does random things to one file and compares its
//! contents. Both are crates, built once into `target/tools`. It takes root and `/dev/fuse`.

mod mount;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use self::mount::Mount;
use crate::command::{cargo, limited, output, run, run_logged, step};
use crate::tally::{Failure, Tally};
use crate::tree;

/// Random changes of a file in `./shoal test`; `SHOAL_FSX` asks for another number.
const FSX_OPERATIONS: u64 = 20_000;

/// How long a suite may take, many times what it does: a server that does not answer would stop it for ever.
const SUITE_SECONDS: u64 = 600;
/// Operations of `fsx` that give it one second more; it makes about 1,000 in one.
const OPERATIONS_PER_SECOND: u64 = 50;

/// What a test can do here, and who the two ordinary users are. Remounting is for Linux's VFS to
/// get right, which answers before a file system is asked.
const PJDFSTEST: &str = r#"
[features]
posix_fallocate = {}
rename_ctime = {}
utime_now = {}
utimensat = {}
[dummy_auth]
entries = [["nobody", "nogroup"], ["daemon", "daemon"]]
[settings]
allow_remount = false
"#;

/// The times of Linux's ext2 are whole seconds.
const LINUX_NAP: &str = "naptime = 1.1\n";
/// Ours have nanoseconds.
const OUR_NAP: &str = "naptime = 0.01\n";

/// What `fsx` does how often. posix_fallocate(3) of no bytes is `EINVAL`, which it takes for a file system
/// that cannot.
const FSX: &str = r#"
[opsize]
min = 1
max = 65536
[weights]
close_open = 1
invalidate = 1
read = 10
write = 10
mapread = 5
mapwrite = 5
truncate = 5
fsync = 0.1
punch_hole = 3
posix_fallocate = 3
copy_file_range = 3
sendfile = 2
"#;

/// How tests end, by their names.
type Outcomes = BTreeMap<String, String>;

/// Why the suites cannot run on this machine, if they cannot.
pub(crate) fn obstacle() -> Option<&'static str> {
    if !Path::new("/dev/fuse").exists() {
        return Some("there is no /dev/fuse");
    }
    let id = output(Command::new("id").arg("-u"));
    if id.is_ok_and(|id| id == "0") {
        None
    } else {
        Some("it takes root to mount")
    }
}

/// Runs `pjdfstest` and compares with Linux: a test that passes there has to pass here.
///
/// # Errors
/// When something cannot be built or mounted, or the disk is not clean afterwards.
pub(crate) fn pjdfstest() -> Result<Tally> {
    let linux = parse(&read("linux.txt")?);
    let reasons = parse(&read("differences.txt")?);
    let mount = Mount::ours()?;
    let ours = run_pjdfstest(&mount.folder, OUR_NAP)?;
    mount.end()?;
    let mut tally = Tally::default();
    for (name, expected) in &linux {
        let ended = ours.get(name).map_or("missing", String::as_str);
        let listed = reasons
            .get(name)
            .and_then(|reason| reason.split('|').next());
        let wanted = listed.map_or(expected.as_str(), str::trim);
        if ended == wanted || (listed.is_none() && ended == "ok") {
            tally.passed = tally.passed.saturating_add(1);
        } else {
            tally.failed = tally.failed.saturating_add(1);
            tally.failures.push(Failure {
                name: format!("pjdfstest {name}"),
                details: vec![format!("{ended} here, {wanted} expected")],
            });
        }
    }
    eprintln!("shoal: pjdfstest: {} tests", linux.len());
    Ok(tally)
}

/// Keeps how the tests of `pjdfstest` end on Linux's own ext2.
///
/// # Errors
/// As [`pjdfstest`].
pub(crate) fn record() -> Result<()> {
    let mount = Mount::linux()?;
    let outcomes = run_pjdfstest(&mount.folder, LINUX_NAP)?;
    mount.end()?;
    let mut text = "# test | on Linux's ext2\n".to_owned();
    for (name, outcome) in outcomes {
        let _ = writeln!(text, "{name} | {outcome}");
    }
    tree::write(&folder().join("linux.txt"), &text)
}

/// Does random things to one file and compares its contents.
///
/// # Errors
/// When `fsx` finds fault, or something cannot be built or mounted, or the disk is not clean
/// afterwards.
pub(crate) fn fsx() -> Result<Tally> {
    let program = tool("fsx", "0.3.2")?;
    let count = match std::env::var("SHOAL_FSX") {
        Ok(text) => text.parse().context("SHOAL_FSX is not a number")?,
        Err(_) => FSX_OPERATIONS,
    };
    let mount = Mount::ours()?;
    let config = mount.config("fsx.toml", FSX)?;
    step(&format!("fsx: {count} operations"), || {
        run_logged(
            "fsx",
            limited(SUITE_SECONDS.saturating_add(count.div_ceil(OPERATIONS_PER_SECOND)))
                .arg(program)
                .arg("-f")
                .arg(config)
                .args(["-S", "7", "-N", &count.to_string(), "-P"])
                .arg(mount.scratch())
                .arg(mount.folder.join("file")),
        )
    })?;
    mount.end()?;
    Ok(Tally::one_passed())
}

fn run_pjdfstest(folder: &Path, nap: &str) -> Result<Outcomes> {
    let program = tool("pjdfstest", "0.2.2")?;
    // The two ordinary users have to get to it.
    let second = Mount::memory()?;
    let config = second.config("pjdfstest.toml", &format!("{PJDFSTEST}{nap}"))?;
    let output = step("pjdfstest", || {
        limited(SUITE_SECONDS)
            .arg(program)
            .arg("-c")
            .arg(config)
            .arg("-s")
            .arg(&second.folder)
            .arg("-p")
            .arg(folder)
            .output()
            .context("cannot start pjdfstest")
    })?;
    second.end()?;
    let text = String::from_utf8_lossy(&output.stdout);
    tree::write(&tree::target().join("shoal/pjdfstest.log"), &text)?;
    let outcomes = text.lines().filter_map(outcome);
    let outcomes: Outcomes = outcomes.collect();
    if outcomes.is_empty() {
        bail!(
            "pjdfstest said: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(outcomes)
}

/// The name and the end of a test, if that is what a line tells.
fn outcome(line: &str) -> Option<(String, String)> {
    let mut words = line.split_whitespace();
    let (name, end) = (words.next()?, words.next()?);
    let is_outcome = name.contains("::") && matches!(end, "ok" | "FAILED" | "skipped");
    (is_outcome && words.next().is_none()).then(|| (name.to_owned(), end.to_owned()))
}

/// Lines of `name | rest`; others are comments.
fn parse(text: &str) -> Outcomes {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once('|'))
        .map(|(name, rest)| (name.trim().to_owned(), rest.trim().to_owned()))
        .collect()
}

fn folder() -> PathBuf {
    tree::root().join("tests/mounted")
}

fn read(name: &str) -> Result<String> {
    let path = folder().join(name);
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// A program of a crate, built into `target/tools` unless it is there. It waits for our file system most of the time: a
/// fast one would take longer to build than to run.
fn tool(name: &str, version: &str) -> Result<PathBuf> {
    let root = tree::target()
        .join("tools")
        .join(format!("{name}-{version}"));
    let program = root.join("bin").join(name);
    if !program.exists() {
        step(&format!("build {name} {version}"), || {
            run_logged(
                name,
                cargo()
                    .args(["install", "--quiet", "--locked", "--debug", name])
                    .args(["--version", version])
                    .arg("--root")
                    .arg(&root)
                    .env_remove("CARGO_TARGET_DIR"),
            )
        })?;
    }
    Ok(program)
}

/// Our own program that mounts, built as the crates' tests are: with checks of arithmetic.
fn shoal_fuse() -> Result<PathBuf> {
    let target = tree::target();
    run(cargo()
        .args(["build", "--quiet", "--package", "tools-fuse"])
        .arg("--target-dir")
        .arg(&target))?;
    Ok(target.join("debug/shoal-fuse"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_how_tests_end() {
        let line = "chmod::eperm_not_owner            FAILED";
        let told = outcome(line).map(|(name, end)| format!("{name}={end}"));
        assert_eq!(told.as_deref(), Some("chmod::eperm_not_owner=FAILED"));
        assert_eq!(outcome("Summary: 0 failed, 47 skipped"), None);
        assert_eq!(outcome("   0: core::panicking panic"), None);
    }

    #[test]
    fn reads_its_own_lists() {
        let list = parse("# test | on Linux's ext2\na::b | ok\nc | skipped | why | not\n");
        assert_eq!(list.get("a::b").map(String::as_str), Some("ok"));
        assert_eq!(
            list.get("c").map(String::as_str),
            Some("skipped | why | not")
        );
        assert_eq!(list.len(), 2);
    }
}

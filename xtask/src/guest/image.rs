//! The root image: an Ext2 file system that `mke2fs` makes from a staged folder.
//!
//! Two builds of the same inputs give the same bytes: the identifier, the directories' hash seed
//! and all times are fixed, and `debugfs` sets the owners, whoever runs this.

use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::command::run;
use super::fingerprint::Fingerprint;
use super::linux_headers::copy_tree;
use super::programs::{self, Programs};
use super::sources::clear;
use super::step::step;
use super::{out, root};

/// The file system's size; holes cost nothing on the host.
const SIZE_BYTES: u64 = 64 << 20;
/// That of the image for benchmarks of files, and how many inodes it has.
const ROOMY_BYTES: u64 = 400 << 20;
const ROOMY_INODES: u32 = 65_536;

/// Identifier and hash seed.
const UUID: &str = "5f0a1e00-0000-4000-8000-736f616c0001";

/// The time of everything in the image: 2025-01-01 00:00:00 UTC.
const TIME: u32 = 1_735_689_600;

/// Who owns `/home/user`, in `guest/rootfs/etc/passwd`.
const USER: u32 = 1000;

/// Folders of the image and their modes, parents first.
const FOLDERS: &[(&str, u32)] = &[
    ("", 0o755),
    ("bin", 0o755),
    ("sbin", 0o755),
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("home/user", 0o755),
    ("mnt", 0o755),
    ("opt", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("usr/bin", 0o755),
    ("usr/sbin", 0o755),
    ("usr/lib", 0o755),
    ("usr/lib/shoal", 0o755),
    ("usr/lib/shoal/tests", 0o755),
    ("usr/lib/shoal/bench", 0o755),
    ("usr/local", 0o755),
    ("usr/local/bin", 0o755),
    ("var", 0o755),
    ("var/log", 0o755),
    ("var/spool", 0o755),
    ("var/tmp", 0o1777),
];

/// Builds the image, or finds it built.
pub(super) fn build() -> Result<PathBuf> {
    let programs = programs::build()?;
    let files = root().join("guest/rootfs");
    let print = Fingerprint::new()
        .bytes(include_bytes!("image.rs"))
        .with(programs.print)
        .path(&files)?;
    let image = out().join("root.ext2");
    step("image", print, || {
        let stage = out().join("stage");
        let paths = fill(&stage, &files, &programs)?;
        format(&stage, &image, SIZE_BYTES, &[])?;
        settle(&image, &paths)
    })?;
    Ok(image)
}

/// The same with room for many files, for benchmarks; the times in it are those of the build.
pub(super) fn build_roomy() -> Result<()> {
    let image = build()?;
    let print = Fingerprint::new()
        .bytes(include_bytes!("image.rs"))
        .path(&image)?;
    step("image-roomy", print, || {
        let inodes = ROOMY_INODES.to_string();
        let image = out().join("roomy.ext2");
        format(&out().join("stage"), &image, ROOMY_BYTES, &["-N", &inodes])
    })
}

/// Fills the staged folder and returns all its paths as the guest sees them.
fn fill(stage: &Path, files: &Path, programs: &Programs) -> Result<Vec<String>> {
    clear(stage)?;
    for (folder, _) in FOLDERS {
        fs::create_dir_all(stage.join(folder)).with_context(|| format!("cannot make {folder}"))?;
    }
    copy_tree(files, stage)?;
    let bin = stage.join("bin");
    add(&programs.busybox, &bin)?;
    add(&programs.ash, &bin)?;
    add(&programs.dash, &bin)?;
    add(&programs.bash, &bin)?;
    add(&programs.lua, &stage.join("usr/bin"))?;
    for program in &programs.tests {
        add(program, &stage.join("usr/lib/shoal/tests"))?;
    }
    for program in &programs.bench {
        add(program, &stage.join("usr/lib/shoal/bench"))?;
    }
    link_applets(stage, &programs.busybox_links)?;
    // Modes last, so that nothing stands in the way before.
    for (folder, mode) in FOLDERS.iter().rev() {
        fs::set_permissions(stage.join(folder), Permissions::from_mode(*mode))
            .with_context(|| format!("cannot set the mode of {folder}"))?;
    }
    let mut paths = Vec::new();
    list(stage, "", &mut paths)?;
    paths.sort();
    Ok(paths)
}

/// Copies a program into a folder.
fn add(program: &Path, folder: &Path) -> Result<()> {
    let target = folder.join(program.file_name().unwrap_or_default());
    fs::copy(program, &target).with_context(|| format!("cannot add {}", program.display()))?;
    fs::set_permissions(&target, Permissions::from_mode(0o755)).context("cannot set a mode")
}

/// Makes each applet a symbolic link to busybox, unless a program of that name is there.
fn link_applets(stage: &Path, links: &Path) -> Result<()> {
    let list = fs::read_to_string(links).context("cannot read the list of applets")?;
    for path in list.lines() {
        let target = stage.join(path.trim_start_matches('/'));
        if target.symlink_metadata().is_ok() {
            continue;
        }
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).context("cannot make a folder of applets")?;
        }
        symlink("/bin/busybox", &target).with_context(|| format!("cannot link {path}"))?;
    }
    Ok(())
}

/// Collects the paths below `dir`, each from the root of the image.
fn list(dir: &Path, prefix: &str, paths: &mut Vec<String>) -> Result<()> {
    paths.push(if prefix.is_empty() {
        "/".into()
    } else {
        prefix.into()
    });
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let entry = entry.context("cannot read the staged folder")?;
        let path = format!("{prefix}/{}", entry.file_name().to_string_lossy());
        if entry
            .file_type()
            .context("cannot read a file's type")?
            .is_dir()
        {
            list(&entry.path(), &path, paths)?;
        } else {
            paths.push(path);
        }
    }
    Ok(())
}

/// A tool of e2fsprogs, for which it is always [`TIME`].
fn tool(name: &str) -> Command {
    let mut command = Command::new(format!("/sbin/{name}"));
    command.env("E2FSPROGS_FAKE_TIME", TIME.to_string());
    command.env("SOURCE_DATE_EPOCH", TIME.to_string());
    command
}

/// Makes the file system in `image`. No feature is on that a plain Ext2 driver lacks.
fn format(stage: &Path, image: &Path, size_bytes: u64, more: &[&str]) -> Result<()> {
    let file = File::create(image).with_context(|| format!("cannot make {}", image.display()))?;
    file.set_len(size_bytes).context("cannot size the image")?;
    run(tool("mke2fs")
        .args([
            "-q", "-F", "-t", "ext2", "-b", "4096", "-I", "256", "-m", "0", "-L", "shoal",
        ])
        .args(more)
        .args(["-O", "^resize_inode,^dir_index,^ext_attr", "-U", UUID])
        .args(["-E", &format!("root_owner=0:0,hash_seed={UUID}"), "-d"])
        .args([stage, image]))
}

/// Gives every path its owner and its time.
fn settle(image: &Path, paths: &[String]) -> Result<()> {
    let mut script = String::new();
    for path in paths.iter().map(String::as_str).chain(["/lost+found"]) {
        let is_users = path.starts_with("/home/user");
        let owner = if is_users { USER } else { 0 };
        let _ = writeln!(script, "sif {path} uid {owner}\nsif {path} gid {owner}");
        for field in ["atime", "ctime", "mtime", "crtime"] {
            let _ = writeln!(script, "sif {path} {field} @{TIME}");
            let _ = writeln!(script, "sif {path} {field}_extra 0");
        }
    }
    let commands = out().join("settle.debugfs");
    fs::write(&commands, script).context("cannot write debugfs's commands")?;
    run(tool("debugfs").args(["-w", "-f"]).args([&commands, image]))
}

//! Debian's source packages, by `apt-get source` with a configuration of its own.
//!
//! The machine's own package sources are read and asked for `deb-src` instead of `deb`; nothing
//! in `/etc` is changed, and no address is written here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::command::run;
use super::fingerprint::Fingerprint;
use super::out;
use super::step::step;

/// Unpacks the source of `package`, with Debian's patches, and returns its folder.
///
/// # Errors
/// The package is in none of the machine's package sources, or they cannot be reached.
pub(super) fn fetch(package: &str) -> Result<PathBuf> {
    let dir = out().join("sources").join(package);
    let print = Fingerprint::new().bytes(package.as_bytes());
    step(&format!("source-{package}"), print, || {
        let apt = Apt::new()?;
        // One source of many may be out of reach; whether that matters the next call tells.
        let _ = run(apt.command().arg("update"));
        clear(&dir)?;
        run(apt.command().args(["source", package]).current_dir(&dir))
    })?;
    unpacked(&dir)
}

/// Makes `dir` an empty folder.
///
/// # Errors
/// It cannot be removed or made.
pub(super) fn clear(dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))
}

/// The one folder in `dir`.
fn unpacked(dir: &Path) -> Result<PathBuf> {
    fs::read_dir(dir)
        .with_context(|| format!("cannot read {}", dir.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.is_dir())
        .with_context(|| format!("no source was unpacked in {}", dir.display()))
}

/// A configuration of apt that knows only source packages.
struct Apt {
    config: PathBuf,
}

impl Apt {
    fn new() -> Result<Self> {
        let dir = out().join("apt");
        let lists = dir.join("lists");
        fs::create_dir_all(lists.join("partial")).context("cannot make apt's folder")?;
        let parts = dir.join("sources.list.d");
        clear(&parts)?;
        for (name, text) in machine_sources() {
            fs::write(parts.join(name), as_source(&text)).context("cannot write sources")?;
        }
        let config = dir.join("apt.conf");
        let text = format!(
            "Dir::Etc::sourcelist \"/dev/null\";\nDir::Etc::sourceparts \"{}\";\n\
             Dir::State::lists \"{}\";\nDir::Cache::pkgcache \"\";\nDir::Cache::srcpkgcache \"\";\n\
             APT::Sandbox::User \"\";\n",
            parts.display(),
            lists.display()
        );
        fs::write(&config, text).context("cannot write apt's configuration")?;
        Ok(Self { config })
    }

    fn command(&self) -> Command {
        let mut command = Command::new("apt-get");
        command.arg("-q").env("APT_CONFIG", &self.config);
        command
    }
}

/// The machine's files of package sources, with names of their own.
fn machine_sources() -> Vec<(String, String)> {
    let etc = Path::new("/etc/apt");
    let parts = fs::read_dir(etc.join("sources.list.d"))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()));
    std::iter::once(etc.join("sources.list"))
        .chain(parts)
        .filter(|path| {
            path.extension()
                .is_some_and(|end| end == "list" || end == "sources")
        })
        .filter_map(|path| {
            let name = path.file_name()?.to_string_lossy().into_owned();
            Some((name, fs::read_to_string(&path).ok()?))
        })
        .collect()
}

/// The same package sources, for source packages: both of apt's formats.
fn as_source(text: &str) -> String {
    let line = |line: &str| -> String {
        if let Some(rest) = line.strip_prefix("deb ") {
            format!("deb-src {rest}\n")
        } else if line.starts_with("Types:") {
            "Types: deb-src\n".to_owned()
        } else if line.starts_with("deb-src ") {
            String::new()
        } else {
            format!("{line}\n")
        }
    };
    text.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_become_source_lines() {
        assert_eq!(
            as_source("deb [x] u s main\n# c"),
            "deb-src [x] u s main\n# c\n"
        );
        assert_eq!(
            as_source("Types: deb\nSuites: s"),
            "Types: deb-src\nSuites: s\n"
        );
        assert_eq!(as_source("deb u s\ndeb-src u s"), "deb-src u s\n");
    }
}

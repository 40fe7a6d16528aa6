//! Disks that are mounted for a suite, in a folder of their own.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::shoal_fuse;
use crate::command::run;

/// Bytes of the disks: enough for 32,000 links and a full group of blocks.
const SIZE_BYTES: u64 = 64 << 20;
/// How long a mount may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// Something that is mounted; unmounted at the end.
pub(super) struct Mount {
    /// Where it appears.
    pub(super) folder: PathBuf,
    base: PathBuf,
    image: Option<PathBuf>,
    /// Who serves it.
    server: Option<Child>,
    is_mounted: bool,
}

impl Mount {
    /// A new Ext2, served by our file system.
    pub(super) fn ours() -> Result<Self> {
        let program = shoal_fuse()?;
        let mut mount = Self::prepare("ours")?;
        let image = mount.format()?;
        let mut command = Command::new(program);
        command.arg(&image).arg(&mount.folder).stdin(Stdio::null());
        let server = command.spawn().context("cannot start shoal-fuse")?;
        let server = mount.server.insert(server);
        let start = Instant::now();
        while !is_mount_point(&mount.folder)? {
            if server.try_wait()?.is_some() || start.elapsed() > PATIENCE {
                bail!("shoal-fuse did not mount {}", image.display());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        mount.is_mounted = true;
        Ok(mount)
    }

    /// A new Ext2, served by Linux.
    pub(super) fn linux() -> Result<Self> {
        let mut mount = Self::prepare("linux")?;
        let image = mount.format()?;
        run(Command::new("mount")
            .args(["-o", "loop", "-t", "ext2"])
            .args([&image, &mount.folder]))?;
        mount.is_mounted = true;
        Ok(mount)
    }

    /// Another file system.
    pub(super) fn memory() -> Result<Self> {
        let mut mount = Self::prepare("memory")?;
        run(Command::new("mount")
            .args(["-t", "tmpfs", "shoal"])
            .arg(&mount.folder))?;
        mount.is_mounted = true;
        Ok(mount)
    }

    /// A folder of its own that every user gets to.
    fn prepare(name: &str) -> Result<Self> {
        let base = std::env::temp_dir().join(format!("shoal-{name}-{}", std::process::id()));
        let folder = base.join("mounted");
        fs::create_dir_all(&folder).context("cannot make a folder")?;
        fs::set_permissions(&base, Permissions::from_mode(0o755)).context("cannot set a mode")?;
        Ok(Self {
            folder,
            base,
            image: None,
            server: None,
            is_mounted: false,
        })
    }

    fn format(&mut self) -> Result<PathBuf> {
        let image = self.base.join("image");
        fs::File::create(&image)?.set_len(SIZE_BYTES)?;
        run(Command::new("/sbin/mke2fs")
            .args(["-q", "-F", "-t", "ext2", "-b", "4096"])
            .arg(&image))?;
        self.image = Some(image.clone());
        Ok(image)
    }

    /// Where files beside it may be.
    pub(super) fn scratch(&self) -> &Path {
        &self.base
    }

    /// Writes a file beside it.
    pub(super) fn config(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.base.join(name);
        fs::write(&path, text).context("cannot write a configuration")?;
        Ok(path)
    }

    /// Unmounts it; its disk has to be clean.
    pub(super) fn end(mut self) -> Result<()> {
        self.unmount()?;
        if let Some(image) = &self.image {
            let checked = Command::new("/sbin/e2fsck")
                .arg("-fn")
                .arg(image)
                .output()?;
            if !checked.status.success() {
                bail!("e2fsck: {}", String::from_utf8_lossy(&checked.stdout));
            }
        }
        Ok(())
    }

    fn unmount(&mut self) -> Result<()> {
        if std::mem::take(&mut self.is_mounted) {
            run(Command::new("umount").arg(&self.folder))?;
        }
        if let Some(mut server) = self.server.take() {
            let status = server.wait()?;
            if !status.success() {
                bail!("shoal-fuse ended with {status}");
            }
        }
        Ok(())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if self.is_mounted {
            // What still uses it, a suite that failed, may not keep it.
            let _ = run(Command::new("umount").arg("-l").arg(&self.folder));
        }
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
        let _ = fs::remove_dir_all(&self.base);
    }
}

fn is_mount_point(folder: &Path) -> Result<bool> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("cannot read the mounts")?;
    let wanted = folder.display().to_string();
    Ok(mounts
        .lines()
        .any(|line| line.split(' ').nth(1) == Some(&wanted)))
}

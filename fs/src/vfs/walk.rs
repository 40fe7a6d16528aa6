//! From a path to a location: path_resolution(7).
//!
//! A [`Walker`] goes over all components but the last; what the last one means depends on the call
//! (find it, make it, remove it). A symbolic link is put in the place of its name in the rest of
//! the path, so nothing recurses.

use std::borrow::Cow;
use std::ops::Range;

use abi::limits::{NAME_MAX, PATH_MAX, SYMLOOP_MAX};
use abi::{Errno, Error, Result};

use super::inode::FileType;
use super::path::Location;
use super::{Context, Vfs};

/// The path leads out of [`Scope::Beneath`].
const LEAVES: Error = Errno::EPERM.because("the path leaves its directory");

/// Whether a symbolic link at the end of a path is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// Go on at its target.
    Yes,
    /// It is the result itself.
    No,
}

/// Where a path may lead on its way and at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Anywhere below the root.
    #[default]
    Everywhere,
    /// Only where relative paths start and below: absolute paths, `..` above that directory and
    /// links that lead out of it fail with `EPERM`. Absolute links are followed if it is the root.
    Beneath,
}

/// The last component of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// A name: its bytes in the walker's path, and whether slashes follow.
    Name(Range<usize>, Slashes),
    /// `.`
    Dot,
    /// `..`
    DotDot,
    /// The path is slashes only.
    Root,
}

/// Whether slashes stand behind a name: it must be a directory then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slashes {
    /// `a/`
    Follow,
    /// `a`
    None,
}

/// A walk on its way.
#[derive(Debug)]
pub(super) struct Walker<'a> {
    vfs: &'a Vfs,
    cx: &'a Context<'a>,
    path: Cow<'a, [u8]>,
    position: usize,
    nr_links: usize,
    /// The directory that the next component is a name in.
    pub(super) here: Location,
}

impl Vfs {
    /// The location that `path` names.
    ///
    /// # Errors
    /// `ENOENT` (also for the empty path), `ENOTDIR`, `EACCES`, `ELOOP`, `ENAMETOOLONG`, `EIO`.
    ///
    /// # References
    /// path_resolution(7); Linux v6.12 `fs/namei.c` `path_lookupat`.
    pub fn walk(&self, cx: &Context<'_>, path: &[u8], follow: Follow) -> Result<Location> {
        let mut walker = Walker::new(self, cx, path)?;
        walker.finish(follow)
    }

    /// What `name` is in `directory`, seen from outside: with what is mounted on it.
    pub(super) fn child(&self, directory: &Location, name: &[u8]) -> Result<Location> {
        if name.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG.into());
        }
        let dentry = directory.dentry.child(name)?;
        directory.mount.tree().sweep_if_large();
        Ok(self.descend(Location::new(directory.mount.clone(), dentry)))
    }
}

impl<'a> Walker<'a> {
    /// At the start of `path`.
    pub(super) fn new(vfs: &'a Vfs, cx: &'a Context<'a>, path: &'a [u8]) -> Result<Self> {
        if path.is_empty() {
            return Err(Errno::ENOENT.because("the path is empty"));
        }
        if path.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG.because("the path is longer than PATH_MAX"));
        }
        let start = if path.first() == Some(&b'/') {
            if cx.scope == Scope::Beneath {
                return Err(LEAVES);
            }
            cx.root
        } else {
            cx.cwd
        };
        Ok(Self {
            vfs,
            cx,
            path: Cow::Borrowed(path),
            position: 0,
            nr_links: 0,
            here: start.clone(),
        })
    }

    /// The bytes of a name that [`Walker::find_last`] returned.
    pub(super) fn name(&self, range: &Range<usize>) -> &[u8] {
        self.path.get(range.clone()).unwrap_or_default()
    }

    /// Goes to the directory that holds the last component; checks that it may be searched.
    pub(super) fn find_last(&mut self) -> Result<Last> {
        loop {
            self.skip_slashes();
            let start = self.position;
            let rest = self.path.get(start..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(Last::Root);
            }
            let len = rest
                .iter()
                .position(|&byte| byte == b'/')
                .unwrap_or(rest.len());
            let range = start..start.saturating_add(len);
            self.cx.caller.check_search(&self.here)?;
            self.position = range.end;
            self.skip_slashes();
            let is_last = self.position == self.path.len();
            match self.name(&range) {
                b"." if is_last => return Ok(Last::Dot),
                b".." if is_last => return Ok(Last::DotDot),
                b"." => {}
                b".." => self.go_up()?,
                _ if is_last => {
                    let slashes = if self.position > range.end {
                        Slashes::Follow
                    } else {
                        Slashes::None
                    };
                    return Ok(Last::Name(range, slashes));
                }
                name => {
                    let next = self.vfs.child(&self.here, name)?;
                    if next.file_type() == FileType::Symlink {
                        self.follow(&next)?;
                    } else {
                        self.here = next;
                    }
                }
            }
        }
    }

    fn skip_slashes(&mut self) {
        while self.path.get(self.position) == Some(&b'/') {
            self.position = self.position.saturating_add(1);
        }
    }

    /// Takes `..`: the root of the process is its own parent.
    ///
    /// # Errors
    /// `EPERM` when that leaves the scope.
    pub(super) fn go_up(&mut self) -> Result<()> {
        if self.cx.scope == Scope::Beneath && self.here.is_same(self.cx.cwd) {
            return Err(LEAVES);
        }
        if !self.here.is_same(self.cx.root) {
            self.here = self.vfs.descend(self.here.parent());
        }
        Ok(())
    }

    /// Whether a link may lead to where it says, and not only to a path from where it is.
    fn check_jump(&self) -> Result<()> {
        match self.cx.scope {
            Scope::Everywhere => Ok(()),
            Scope::Beneath if self.cx.cwd.is_same(self.cx.root) => Ok(()),
            Scope::Beneath => Err(LEAVES),
        }
    }

    /// Goes on at the target of `link`, which stands before the rest of the path.
    pub(super) fn follow(&mut self, link: &Location) -> Result<()> {
        self.nr_links = self.nr_links.saturating_add(1);
        if self.nr_links > SYMLOOP_MAX {
            return Err(Errno::ELOOP.because("too many symbolic links"));
        }
        if let Some(target) = link.inode.follow() {
            self.check_jump()?;
            self.here = target?;
            return Ok(());
        }
        let mut target = link.inode.read_link()?;
        if target.is_empty() {
            return Err(Errno::ENOENT.because("the symbolic link is empty"));
        }
        if target.first() == Some(&b'/') {
            self.check_jump()?;
            self.here = self.cx.root.clone();
        }
        let rest = self.path.get(self.position..).unwrap_or_default();
        let before = self
            .position
            .checked_sub(1)
            .and_then(|index| self.path.get(index));
        if before == Some(&b'/') {
            target.push(b'/');
        }
        target.extend_from_slice(rest);
        self.path = Cow::Owned(target);
        self.position = 0;
        Ok(())
    }

    /// What the whole path names.
    pub(super) fn finish(&mut self, follow: Follow) -> Result<Location> {
        loop {
            match self.find_last()? {
                Last::Root | Last::Dot => return Ok(self.here.clone()),
                Last::DotDot => {
                    self.go_up()?;
                    return Ok(self.here.clone());
                }
                Last::Name(range, slashes) => {
                    let found = self.vfs.child(&self.here, self.name(&range))?;
                    let must_follow = follow == Follow::Yes || slashes == Slashes::Follow;
                    if found.file_type() == FileType::Symlink && must_follow {
                        self.follow(&found)?;
                        if self.is_at_end() {
                            return self.arrive(slashes);
                        }
                        continue;
                    }
                    if slashes == Slashes::Follow && !found.is_directory() {
                        return Err(Errno::ENOTDIR.into());
                    }
                    return Ok(found);
                }
            }
        }
    }

    /// Whether a magic link has led to the end.
    pub(super) fn is_at_end(&self) -> bool {
        self.position == self.path.len()
    }

    /// Ends the walk where a magic link led.
    fn arrive(&self, slashes: Slashes) -> Result<Location> {
        if slashes == Slashes::Follow && !self.here.is_directory() {
            return Err(Errno::ENOTDIR.into());
        }
        Ok(self.here.clone())
    }
}

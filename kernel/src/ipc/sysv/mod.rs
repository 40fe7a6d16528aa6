//! System V IPC (sysvipc(7)): objects with a key, found by all processes until somebody removes them.
//!
//! - [`Table`]: the objects of one kind, by id and by key; [`Permissions`]: who may use one
//! - [`shm`]: shared memory; [`sem`]: sets of semaphores; [`msg`]: queues of messages
//!
//! As in Linux, an id is a slot and a sequence number, so that the id of a removed object stays
//! invalid after its slot was used again.

pub mod msg;
pub mod sem;
pub mod shm;

use std::sync::Arc;

use abi::flags::{CAP_IPC_OWNER, CAP_SYS_ADMIN, IPC_CREAT, IPC_EXCL, IPC_PRIVATE};
use abi::{Errno, Result};
use executor::sync::Lock;

use crate::process::Credentials;

/// Objects of one kind: `SHMMNI`, `SEMMNI` and `MSGMNI` are 4096, 32000 and 32000.
const MAX_OBJECTS: usize = 4096;
/// Ids are a sequence number times this, plus a slot.
const IDS: i32 = 32768;

/// Reading and writing, as the bits of a mode.
pub const READ: u32 = 0o4;
/// Writing.
pub const WRITE: u32 = 0o2;

/// Who may use an object: `struct ipc_perm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// What it is found by; `IPC_PRIVATE`: nothing.
    pub key: i32,
    /// The owner.
    pub uid: u32,
    /// The owner's group.
    pub gid: u32,
    /// Who made it.
    pub creator_uid: u32,
    /// The creator's group.
    pub creator_gid: u32,
    /// Nine permission bits.
    pub mode: u32,
    /// The sequence number in its id.
    pub sequence: u32,
}

impl Permissions {
    fn new(key: i32, flags: u32, maker: &Credentials) -> Self {
        let (uid, gid) = (maker.user.effective, maker.group.effective);
        Self {
            key,
            uid,
            gid,
            creator_uid: uid,
            creator_gid: gid,
            mode: flags & 0o777,
            sequence: 0,
        }
    }

    /// Fails unless `who` may do all of `wanted`, bits of [`READ`] and [`WRITE`].
    ///
    /// # Errors
    /// `EACCES`
    pub fn check(&self, who: &Credentials, wanted: u32) -> Result<()> {
        let user = who.user.effective;
        let granted = if user == self.uid || user == self.creator_uid {
            self.mode >> 6
        } else if who.is_in_group(self.gid) || who.is_in_group(self.creator_gid) {
            self.mode >> 3
        } else {
            self.mode
        };
        if wanted & !granted & 0o7 != 0 && !who.has(CAP_IPC_OWNER) {
            return Err(Errno::EACCES.because("the object's mode"));
        }
        Ok(())
    }

    /// Fails unless `who` may change or remove it.
    ///
    /// # Errors
    /// `EPERM`
    pub fn check_owner(&self, who: &Credentials) -> Result<()> {
        let user = who.user.effective;
        if user == self.uid || user == self.creator_uid || who.has(CAP_SYS_ADMIN) {
            return Ok(());
        }
        Err(Errno::EPERM.because("the object of another user"))
    }
}

/// An object of a kind.
pub trait Object: Send + Sync {
    /// Who may use it.
    fn permissions(&self) -> &Lock<Permissions>;
}

/// The objects of one kind.
#[derive(Debug)]
pub struct Table<T> {
    state: Lock<Slots<T>>,
}

#[derive(Debug)]
struct Slots<T> {
    objects: Vec<Option<(i32, Arc<T>)>>,
    sequence: i32,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            state: Lock::new(Slots {
                objects: Vec::new(),
                sequence: 0,
            }),
        }
    }
}

impl<T: Object> Table<T> {
    /// Finds the object of `key`, or makes one; returns its id.
    ///
    /// - `check`: whether an object that was found will do
    ///
    /// # Errors
    /// `EEXIST`, `ENOENT`, `EACCES`, `ENOSPC`, and those of the two functions.
    pub fn find_or_make(
        &self,
        (key, flags): (i32, u32),
        who: &Credentials,
        check: impl FnOnce(&T) -> Result<()>,
        make: impl FnOnce(Permissions) -> Result<T>,
    ) -> Result<i32> {
        let mut slots = self.state.lock();
        let with_key = |(_, object): &&(i32, Arc<T>)| object.permissions().lock().key == key;
        let found = slots.objects.iter().flatten().find(with_key);
        if key != IPC_PRIVATE {
            if let Some((id, object)) = found {
                if flags & IPC_CREAT != 0 && flags & IPC_EXCL != 0 {
                    return Err(Errno::EEXIST.into());
                }
                let wanted = (flags >> 6 | flags >> 3 | flags) & 0o6;
                object.permissions().lock().check(who, wanted)?;
                check(object)?;
                return Ok(*id);
            }
            if flags & IPC_CREAT == 0 {
                return Err(Errno::ENOENT.because("no object has this key"));
            }
        }
        let free = slots.objects.iter().position(Option::is_none);
        let slot = free.unwrap_or(slots.objects.len());
        if slot >= MAX_OBJECTS {
            return Err(Errno::ENOSPC.because("too many objects"));
        }
        slots.sequence = slots.sequence.wrapping_add(1) & 0x7fff;
        let mut permissions = Permissions::new(key, flags, who);
        permissions.sequence = u32::try_from(slots.sequence).unwrap_or(0);
        let object = Arc::new(make(permissions)?);
        let index = i32::try_from(slot).map_err(|_| Errno::ENOSPC)?;
        let id = slots.sequence.saturating_mul(IDS).saturating_add(index);
        if slot == slots.objects.len() {
            slots.objects.push(None);
        }
        if let Some(place) = slots.objects.get_mut(slot) {
            *place = Some((id, object));
        }
        Ok(id)
    }

    /// The object of an id.
    ///
    /// # Errors
    /// `EINVAL`
    pub fn find(&self, id: i32) -> Result<Arc<T>> {
        let slots = self.state.lock();
        let found = slots
            .objects
            .iter()
            .flatten()
            .find(|(known, _)| *known == id);
        let object = found.map(|(_, object)| Arc::clone(object));
        object.ok_or_else(|| Errno::EINVAL.because("no object has this id"))
    }

    /// All objects.
    pub fn all(&self) -> Vec<Arc<T>> {
        let slots = self.state.lock();
        let objects = slots.objects.iter().flatten();
        objects.map(|(_, object)| Arc::clone(object)).collect()
    }

    /// Takes an object out.
    pub fn remove(&self, object: &T) {
        let taken = {
            let mut slots = self.state.lock();
            let is_it = |slot: &&mut Option<(i32, Arc<T>)>| {
                slot.as_ref()
                    .is_some_and(|(_, known)| std::ptr::eq(&raw const **known, object))
            };
            slots.objects.iter_mut().find(is_it).and_then(Option::take)
        };
        drop(taken);
    }
}

/// The System V objects of a pod.
#[derive(Debug, Default)]
pub struct SysV {
    /// Shared memory.
    pub segments: Table<shm::Segment>,
    /// Semaphores.
    pub semaphores: Table<sem::SemaphoreSet>,
    /// Messages.
    pub queues: Table<msg::Queue>,
}

impl SysV {
    /// Process `pid` has ended: what it did with `SEM_UNDO` is undone.
    pub fn process_ended(&self, pid: i32) {
        for set in self.semaphores.all() {
            set.undo(pid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing(Lock<Permissions>);

    impl Object for Thing {
        fn permissions(&self) -> &Lock<Permissions> {
            &self.0
        }
    }

    fn make(table: &Table<Thing>, key: i32, flags: u32) -> Result<i32> {
        let make = |permissions| Ok(Thing(Lock::new(permissions)));
        table.find_or_make((key, flags), &Credentials::root(), |_| Ok(()), make)
    }

    #[test]
    fn keys_find_objects_until_they_are_removed() {
        let table = Table::default();
        assert_eq!(make(&table, 7, 0o600).unwrap_err().errno, Errno::ENOENT);
        let id = make(&table, 7, IPC_CREAT | 0o600).unwrap();
        assert_eq!(make(&table, 7, 0o600).unwrap(), id);
        let exclusive = make(&table, 7, IPC_CREAT | IPC_EXCL);
        assert_eq!(exclusive.unwrap_err().errno, Errno::EEXIST);
        assert_ne!(make(&table, IPC_PRIVATE, 0).unwrap(), id);
        let object = table.find(id).unwrap();
        table.remove(&object);
        assert!(table.find(id).is_err());
        let again = make(&table, 7, IPC_CREAT).unwrap();
        assert_ne!(again, id);
        assert_eq!(again % IDS, id % IDS);
    }
}

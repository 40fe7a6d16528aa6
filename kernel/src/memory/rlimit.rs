//! `RLIMIT_AS` and `RLIMIT_DATA`: what a process may take, whatever the pod has.
//!
//! The stack is part of the module and does not grow: `RLIMIT_STACK` has nothing to limit.

use abi::{Errno, Result};

use super::AddressSpace;
use crate::process::{Limits, Resource};

impl AddressSpace {
    /// Whether `more` bytes of mappings are within `limits`.
    ///
    /// # Errors
    /// `ENOMEM`
    ///
    /// # References
    /// getrlimit(2); Linux v6.12 `mm/mmap.c` `may_expand_vm`: all of our memory is private and
    /// writable, so that all but the stack is data.
    pub fn check_limits(&self, more: u64, limits: &Limits) -> Result<()> {
        let all = self.used_bytes().saturating_add(more);
        if all > limits.soft(Resource::AddressSpace) {
            return Err(Errno::ENOMEM.because("RLIMIT_AS"));
        }
        if all.saturating_sub(self.stack_bytes()) > limits.soft(Resource::Data) {
            return Err(Errno::ENOMEM.because("RLIMIT_DATA"));
        }
        Ok(())
    }

    /// Whether the break may move up to `wanted` within `limits`; down it always may.
    ///
    /// # Errors
    /// `ENOMEM`
    pub fn check_brk(&self, wanted: u32, limits: &Limits) -> Result<()> {
        match wanted.checked_sub(self.brk) {
            None | Some(0) => Ok(()),
            Some(more) => self.check_limits(u64::from(more), limits),
        }
    }

    /// Whether a mapping of `len` bytes is within `limits`, at `fixed` if given, where it replaces
    /// what is there.
    ///
    /// # Errors
    /// `ENOMEM`
    pub fn check_map(&self, len: u32, fixed: Option<u32>, limits: &Limits) -> Result<()> {
        let len = super::pages(len);
        let replaced = fixed.map_or(0, |address| self.mapped_within(address, len));
        self.check_limits(len.saturating_sub(replaced), limits)
    }

    /// Bytes of `[address, address + len)` that are mapped.
    fn mapped_within(&self, address: u32, len: u64) -> u64 {
        let from = u64::from(address);
        let to = from.saturating_add(len);
        let mapped = self.mappings.iter().map(|(&start, &len)| {
            let start = u64::from(start);
            let end = start.saturating_add(u64::from(len));
            end.min(to).saturating_sub(start.max(from))
        });
        mapped.fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Budget;
    use crate::process::{INFINITY, Limit};
    use crate::testing::FakeMemory;

    fn limited(resource: u32, soft: u64) -> Limits {
        let mut limits = Limits::default();
        let hard = INFINITY;
        limits.set(resource, Limit { soft, hard }, true).unwrap();
        limits
    }

    #[test]
    fn all_memory_counts_as_address_space_and_all_but_the_stack_as_data() {
        let memory = FakeMemory::new(1);
        let budget = Budget::unlimited();
        let mut space = AddressSpace::new(&budget, 0x8000, 0xa000, None).unwrap();
        let at = space.map(&memory, 0x6000, None).unwrap();
        assert_eq!(space.used_bytes(), 0x10000);
        let address_space = limited(9, 0x12000);
        assert!(space.check_map(0x2000, None, &address_space).is_ok());
        assert!(space.check_map(0x2001, None, &address_space).is_err());
        assert!(space.check_map(0x8000, Some(at), &address_space).is_ok());
        let data = limited(2, 0x9000);
        assert!(space.check_brk(0xb000, &data).is_ok());
        assert!(space.check_brk(0xb001, &data).is_err());
        assert!(space.check_brk(0x9000, &limited(9, 0)).is_ok());
    }
}

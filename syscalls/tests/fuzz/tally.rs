//! How many calls were made, and what came of them.

use std::fmt;

use abi::table::SYSCALLS;
use kernel::testing::Progress;

/// What came of the calls of one row.
#[derive(Clone, Copy, Default)]
struct Row {
    made: u64,
    succeeded: u64,
    parked: u64,
}

/// What came of all calls.
pub struct Tally {
    rows: Vec<Row>,
    wasi: Row,
    forks: u64,
    guests: u64,
    /// Of all results in their order (FNV-1a).
    digest: u64,
}

/// Which call: a row of the table, or a function of WASI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Linux(usize),
    Wasi,
}

impl Tally {
    pub fn new() -> Self {
        Self {
            rows: vec![Row::default(); SYSCALLS.len()],
            wasi: Row::default(),
            forks: 0,
            guests: 0,
            digest: 0xcbf2_9ce4_8422_2325,
        }
    }

    fn row(&mut self, call: Call) -> &mut Row {
        match call {
            Call::Linux(row) => &mut self.rows[row],
            Call::Wasi => &mut self.wasi,
        }
    }

    fn mix(&mut self, word: u32) {
        self.digest = (self.digest ^ u64::from(word)).wrapping_mul(0x0100_0000_01b3);
    }

    /// A call was made.
    pub fn made(&mut self, call: Call, progress: Progress) {
        let row = self.row(call);
        row.made += 1;
        if progress == Progress::Parked {
            row.parked += 1;
        }
        self.result(call, progress);
    }

    /// A call has come to an end, perhaps after it was parked.
    pub fn result(&mut self, call: Call, progress: Progress) {
        match progress {
            Progress::Returned(word) => {
                let is_success = match call {
                    Call::Linux(_) => progress.result().is_ok(),
                    Call::Wasi => word == 0,
                };
                self.mix(word);
                self.row(call).succeeded += u64::from(is_success);
            }
            Progress::Parked => self.mix(1),
            Progress::Dead => self.mix(2),
        }
    }

    pub fn forked(&mut self) {
        self.forks += 1;
    }

    pub fn new_guest(&mut self) {
        self.guests += 1;
    }

    /// Differs when a result differs.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// How many rows of the table were called.
    pub fn nr_reached(&self) -> usize {
        self.rows.iter().filter(|row| row.made > 0).count()
    }

    /// The calls that never succeeded.
    pub fn never_succeeded(&self) -> impl Iterator<Item = &'static str> {
        let rows = SYSCALLS.iter().zip(&self.rows);
        rows.filter(|(_, row)| row.succeeded == 0)
            .map(|(info, _)| info.name)
    }

    /// Each row's numbers, the least successful first.
    pub fn table(&self) -> String {
        let mut rows: Vec<_> = SYSCALLS.iter().zip(&self.rows).collect();
        rows.sort_by_key(|(_, row)| row.succeeded * 1000 / row.made.max(1));
        let line = |(info, row): (&abi::table::SyscallInfo, &Row)| {
            format!(
                "{}: {} made, {} succeeded, {} waited\n",
                info.name, row.made, row.succeeded, row.parked
            )
        };
        rows.into_iter().map(line).collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |of: fn(&Row) -> u64| self.rows.iter().chain([&self.wasi]).map(of).sum::<u64>();
        let (made, succeeded) = (sum(|row| row.made), sum(|row| row.succeeded));
        write!(
            f,
            "{made} calls by {} guests, {succeeded} succeeded ({} %), {} waited; {} of {} rows reached, \
             {} succeeded at least once; {} of WASI, {} forks",
            self.guests,
            succeeded * 100 / made.max(1),
            sum(|row| row.parked),
            self.nr_reached(),
            self.rows.len(),
            self.rows.iter().filter(|row| row.succeeded > 0).count(),
            self.wasi.made,
            self.forks,
        )
    }
}

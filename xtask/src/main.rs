//! The tasks of this repository: check, build, test, bench.

fn main() {}

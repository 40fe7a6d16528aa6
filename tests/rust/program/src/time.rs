//! Clocks and sleeping.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub fn test() {
    let start = Instant::now();
    let before = SystemTime::now();
    thread::sleep(Duration::from_millis(30));
    let slept = start.elapsed();
    println!("slept enough: {}", slept >= Duration::from_millis(30));
    println!("and woke: {}", slept < Duration::from_secs(20));
    println!(
        "wall clock: {}",
        before
            .elapsed()
            .is_ok_and(|passed| passed > Duration::from_millis(20))
    );
    let years = before
        .duration_since(UNIX_EPOCH)
        .map_or(0, |age| age.as_secs() / (365 * 24 * 3600));
    println!("this century: {}", (50..130).contains(&years));
}

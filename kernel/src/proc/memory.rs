//! `/proc/shoal/memory`: who has the memory of the pod, in bytes.

use std::fmt::Write as _;

use fs::budget::{Budget, Class};

/// A name and a number in each line, as in `memory.stat` of Linux's control groups.
pub(super) fn text(budget: &Budget) -> Vec<u8> {
    let rows = [
        ("limit", budget.limit().unwrap_or(0)),
        ("total", budget.total_bytes()),
        ("used", budget.used_bytes()),
        ("peak", budget.peak_bytes()),
        ("guests", budget.used(Class::Guests)),
        ("files", budget.used(Class::Files)),
        ("pipes", budget.used(Class::Pipes)),
        ("programs", budget.used(Class::Programs)),
        ("kernel", budget.kernel_bytes()),
        ("caches", budget.cached_bytes()),
        ("swap", budget.used(Class::Swap)),
        ("idle_frames", budget.used(Class::IdleFrames)),
        ("disk_image", budget.disk_image_bytes()),
        ("refused", budget.nr_refused()),
    ];
    let mut text = String::new();
    for (name, value) in rows {
        // Writing to a string does not fail.
        let _written = writeln!(text, "{name} {value}");
    }
    text.into_bytes()
}

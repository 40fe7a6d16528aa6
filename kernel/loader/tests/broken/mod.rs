//! What the tests of bad modules share: how they load.

use kernel_loader::{Options, Program};

/// One known call, and a memory of the kernel's own.
pub(crate) fn options() -> Options {
    crate::options::options(|name| (name == "read").then_some(3))
}

/// Checks that the guest is a valid module.
pub(crate) fn validate(program: &Program) {
    wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::all())
        .validate_all(&program.guest)
        .expect("the output is valid");
}

//! The `campanile` program: arguments in, exit code out.

use std::process::ExitCode;

/// A delivery makes and drops many small things on one thread and its record is dropped on another: measured, this takes a
/// quarter of the processor time of a delivery away. Without huge pages: an idle broker would take 30 MiB more.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    campanile::cli::run()
}

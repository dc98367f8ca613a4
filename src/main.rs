//! The `campanile` program: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    campanile::cli::run()
}

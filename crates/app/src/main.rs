//! `medley`: video consultations between browsers and mini-programs, in one process.
#![forbid(unsafe_code)]

use std::process::ExitCode;

/// Many small short-lived buffers are made on one thread and freed on another, which the system's allocator does slowly.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    app::cmd::main()
}

//! What is shown of each thing, under MediaMTX's names. Where MediaMTX has an old and a new name, both are shown.

mod paths;
mod rtp;
mod sessions;
mod tracks;

use std::sync::atomic::{AtomicU64, Ordering};

use media::Utc;
use serde::Serialize;

use crate::context::Info;

pub(crate) use paths::{Path, Paths};
pub(crate) use sessions::{Member, Muxer, state};

/// The process.
#[derive(Serialize)]
pub(crate) struct ProcessInfo {
    version: &'static str,
    started: String,
}

impl ProcessInfo {
    pub(crate) fn of(info: Info) -> Self {
        Self { version: info.version, started: Utc(info.started).to_string() }
    }
}

pub(crate) fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

//! One reader, whichever way it is served.

use std::fmt;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use hub::{Delivery, Subscription};
use media::StreamPath;

use super::egress::{Egress, Step};
use super::tags::Tags;
use crate::sessions::{SessionEntry, Sessions};

/// A reader's place in the stream and its entry among the sessions.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) egress: Egress<Tags>,
    pub(super) entry: SessionEntry,
    pub(super) sessions: Sessions,
    /// Of whose stream, for the log.
    path: StreamPath,
}

impl Reader {
    pub(super) fn new(
        subscription: Subscription,
        tags: Tags,
        path: StreamPath,
        sessions: Sessions,
        entry: SessionEntry,
    ) -> Self {
        tracing::info!(%path, session = %entry.id, "FLV: session started");
        Self { egress: Egress::new(subscription, tags), entry, sessions, path }
    }

    /// Writes a delivery to `out`, and what is there behind it; `false`: the stream is over.
    pub(super) fn deliver(&mut self, first: Option<Delivery>, out: &mut impl Extend<Bytes>) -> bool {
        let mut step = self.egress.write(first, out);
        loop {
            match step {
                Step::Written => {}
                Step::Dropped(frames) => {
                    self.entry.frames_dropped.fetch_add(frames, Ordering::Relaxed);
                    tracing::info!(path = %self.path, frames, "FLV: reader too slow; skipped to a random access point");
                }
                Step::Ended(_) => return false,
            }
            let Some(delivery) = self.egress.try_next() else { return true };
            step = self.egress.write(Some(delivery), out);
        }
    }

    /// Notes why it has ended.
    pub(super) fn ended(&self, why: &impl fmt::Display) {
        tracing::info!(path = %self.path, ended = %why, "FLV: session ended");
    }
}

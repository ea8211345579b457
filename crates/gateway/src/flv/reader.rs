//! One reader: tags in the order in which it is to get them.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use container::flv;
use hub::{Protocol, Subscription};

use super::egress::{Egress, Step};
use super::tags::Tags;
use crate::sessions::{SessionEntry, Sessions, count};

/// A reader's place in the stream and its entry among the sessions.
#[derive(Debug)]
pub(super) struct Reader {
    egress: Egress<Tags>,
    sessions: Sessions,
    entry: SessionEntry,
    /// Built, not yet taken.
    tags: VecDeque<Bytes>,
    ended: bool,
}

impl Reader {
    pub(super) fn new(subscription: Subscription, sessions: Sessions, entry: SessionEntry) -> Self {
        tracing::info!(path = %entry.path, "FLV: session started");
        // Both tracks are announced whatever is there: audio may come late, and a player that was told "video only"
        // never plays it.
        let header = Bytes::from_static(const { &flv::file_header() });
        let tags = VecDeque::from([header]);
        Self { egress: Egress::new(subscription, Tags), sessions, entry, tags, ended: false }
    }

    /// The next piece of the file, `None` at the end of the stream. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        let sessions = self.sessions.clone();
        let piece = sessions.contain(Protocol::Flv, self.take()).await.flatten()?;
        count(&self.entry.bytes_out, piece.len());
        Some(piece)
    }

    async fn take(&mut self) -> Option<Bytes> {
        while self.tags.is_empty() && !self.ended {
            let delivery = self.egress.next().await;
            match self.egress.write(delivery, &mut self.tags) {
                Step::Written => {}
                Step::Dropped(frames) => {
                    self.entry.frames_dropped.fetch_add(frames, Ordering::Relaxed);
                    tracing::info!(path = %self.entry.path, frames, "FLV: reader too slow; skipped to a random access point");
                }
                Step::Ended(_) => self.ended = true,
            }
        }
        self.tags.pop_front()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        tracing::info!(path = %self.entry.path, "FLV: session ended");
    }
}

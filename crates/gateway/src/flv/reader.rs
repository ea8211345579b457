//! One reader: tags in the order in which it is to get them.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use container::flv;
use hub::{Protocol, Subscription};
use media::StreamPath;

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
    /// Of whose stream, for the log.
    path: StreamPath,
}

impl Reader {
    pub(super) fn new(
        subscription: Subscription,
        path: StreamPath,
        sessions: Sessions,
        entry: SessionEntry,
    ) -> Self {
        tracing::info!(%path, session = %entry.id, "FLV: session started");
        // Both tracks are announced whatever is there: audio may come late, and a player that was told "video only"
        // never plays it.
        let header = Bytes::from_static(const { &flv::file_header() });
        let tags = VecDeque::from([header]);
        Self { egress: Egress::new(subscription, Tags), sessions, entry, tags, ended: false, path }
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
            let delivery = tokio::select! {
                biased;
                () = self.entry.kicked() => {
                    tracing::info!(path = %self.path, "FLV: kicked through the API");
                    return None;
                }
                delivery = self.egress.next() => delivery,
            };
            match self.egress.write(delivery, &mut self.tags) {
                Step::Written => {}
                Step::Dropped(frames) => {
                    self.entry.frames_dropped.fetch_add(frames, Ordering::Relaxed);
                    tracing::info!(path = %self.path, frames, "FLV: reader too slow; skipped to a random access point");
                }
                Step::Ended(_) => self.ended = true,
            }
        }
        self.tags.pop_front()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        tracing::info!(path = %self.path, "FLV: session ended");
    }
}

//! The frames that a stream remembers: the current GOP for who joins, the last moments for who is slow.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media::{Kind, Timestamp};

use crate::frame::StreamFrame;

/// How much a [`Log`] keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// How far a reader may fall behind; frames younger than this are kept.
    pub(crate) queue: Duration,
    /// The longest GOP that is kept for joining readers.
    pub(crate) gop: Duration,
    /// Payload bytes, over all frames kept.
    pub(crate) bytes: usize,
}

/// Frames in order of arrival, all tracks of a stream together. Positions count up from 0 for the stream's life.
#[derive(Debug)]
pub(crate) struct Log {
    bounds: Bounds,
    frames: VecDeque<Arc<StreamFrame>>,
    /// Position of `frames[0]`.
    first: u64,
    bytes: usize,
    /// Position of the newest video random access point, while it is kept.
    random_access: Option<u64>,
    gops: Gops,
}

/// The lengths of the last GOPs: a reader's request for a random access point makes a short one among them.
#[derive(Debug, Default)]
struct Gops {
    began: Option<Timestamp>,
    lengths: VecDeque<Duration>,
}

impl Gops {
    const REMEMBERED: usize = 4;

    fn begin(&mut self, at: Timestamp) {
        let length = self.began.replace(at).and_then(|began| at.minus(began).to_duration());
        self.lengths.extend(length);
        if self.lengths.len() > Self::REMEMBERED {
            self.lengths.pop_front();
        }
    }
}

impl Log {
    pub(crate) const fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            frames: VecDeque::new(),
            first: 0,
            bytes: 0,
            random_access: None,
            gops: Gops { began: None, lengths: VecDeque::new() },
        }
    }

    /// The position that the next frame will have.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.frames.len() as u64
    }

    /// The position of the oldest frame kept.
    pub(crate) const fn first(&self) -> u64 {
        self.first
    }

    /// Where a reader can start decoding video, if that is kept.
    pub(crate) const fn random_access(&self) -> Option<u64> {
        self.random_access
    }

    /// The longest of the last GOPs; `None` after fewer than two.
    pub(crate) fn gop(&self) -> Option<Duration> {
        self.gops.lengths.iter().max().copied().filter(|_| self.gops.lengths.len() >= 2)
    }

    /// The frame at `position`, if it is kept.
    pub(crate) fn get(&self, position: u64) -> Option<&Arc<StreamFrame>> {
        let index = usize::try_from(position.checked_sub(self.first)?).ok()?;
        self.frames.get(index)
    }

    /// The newest frame.
    pub(crate) fn last(&self) -> Option<&Arc<StreamFrame>> {
        self.frames.back()
    }

    /// Appends a frame and forgets what the bounds no longer cover.
    pub(crate) fn push(&mut self, frame: Arc<StreamFrame>) {
        let now = frame.arrived();
        if frame.track().kind() == Kind::Video && frame.frame().random_access {
            self.random_access = Some(self.end());
            self.gops.begin(frame.frame().dts);
        }
        self.bytes += frame.frame().payload.len();
        self.frames.push_back(frame);
        self.trim(now);
    }

    fn trim(&mut self, now: Instant) {
        if let Some(start) = self.random_access.and_then(|at| self.get(at))
            && now.saturating_duration_since(start.arrived()) > self.bounds.gop
        {
            self.random_access = None;
        }
        while let Some(oldest) = self.frames.front() {
            let needed_to_join = self.random_access == Some(self.first);
            let recent = now.saturating_duration_since(oldest.arrived()) <= self.bounds.queue;
            let too_much = self.bytes > self.bounds.bytes && self.frames.len() > 1;
            if (needed_to_join || recent) && !too_much {
                break;
            }
            if needed_to_join {
                self.random_access = None;
            }
            self.bytes -= oldest.frame().payload.len();
            self.frames.pop_front();
            self.first += 1;
        }
    }
}

//! Pictures and sound in real time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use media::{Frame, Kind, TrackInfo};

use crate::pictures::Pictures;
use crate::sounds::Sounds;
use crate::stamp;

/// When each packet of sound was handed over, on the clock of [`stamp::nanos`].
#[derive(Clone, Debug, Default)]
pub struct SendLog(Arc<Mutex<Vec<u64>>>);

impl SendLog {
    /// When packet `number` was sent.
    pub fn get(&self, number: usize) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(number).copied()
    }

    fn push(&self, nanos: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(nanos);
    }
}

/// What a publisher sends, and when.
#[derive(Debug)]
pub struct Feed {
    pictures: Pictures,
    sounds: Option<Sounds>,
    start: Instant,
    sent: Option<SendLog>,
}

impl Feed {
    /// Begins after `delay`, so that several feeds do not beat in step.
    pub fn new(pictures: Pictures, sounds: Option<Sounds>, delay: Duration) -> Self {
        Self { pictures, sounds, start: Instant::now() + delay, sent: None }
    }

    /// Notes when each packet of sound is sent.
    #[must_use]
    pub fn with_log(mut self, log: SendLog) -> Self {
        self.sent = Some(log);
        self
    }

    /// The tracks.
    pub fn tracks(&self) -> Vec<TrackInfo> {
        std::iter::once(Pictures::track()).chain(self.sounds.as_ref().map(Sounds::track)).collect()
    }

    /// Begins anew from now on: connecting took its time.
    pub fn restart(&mut self) {
        self.start = self.start.max(Instant::now());
    }

    /// When the next frame is due.
    pub fn due(&self) -> Instant {
        let sound = self.sounds.as_ref().map_or(u64::MAX, Sounds::due_micros);
        self.start + Duration::from_micros(sound.min(self.pictures.due_micros()))
    }

    /// The next frame, made now.
    pub fn take(&mut self) -> (Kind, Frame) {
        match &mut self.sounds {
            Some(sounds) if sounds.due_micros() <= self.pictures.due_micros() => {
                if let Some(sent) = &self.sent {
                    sent.push(stamp::nanos());
                }
                (Kind::Audio, sounds.make())
            }
            _ => (Kind::Video, self.pictures.make()),
        }
    }
}

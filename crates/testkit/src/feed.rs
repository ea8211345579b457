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
    pictures: Option<Pictures>,
    sounds: Option<Sounds>,
    start: Instant,
    sent: Option<SendLog>,
}

impl Feed {
    /// Begins after `delay`, so that several feeds do not beat in step.
    pub fn new(pictures: Pictures, sounds: Option<Sounds>, delay: Duration) -> Self {
        Self { pictures: Some(pictures), sounds, start: Instant::now() + delay, sent: None }
    }

    /// Sound alone.
    pub fn of_sound(sounds: Sounds) -> Self {
        Self { pictures: None, sounds: Some(sounds), start: Instant::now(), sent: None }
    }

    /// Notes when each packet of sound is sent.
    #[must_use]
    pub fn with_log(mut self, log: SendLog) -> Self {
        self.sent = Some(log);
        self
    }

    /// The tracks.
    pub fn tracks(&self) -> Vec<TrackInfo> {
        let pictures = self.pictures.as_ref().map(|_| Pictures::track());
        pictures.into_iter().chain(self.sounds.as_ref().map(Sounds::track)).collect()
    }

    /// Begins anew from now on: connecting took its time.
    pub fn restart(&mut self) {
        self.start = self.start.max(Instant::now());
    }

    /// When the next frame is due.
    pub fn due(&self) -> Instant {
        let (picture, sound) = self.due_micros();
        self.start + Duration::from_micros(sound.min(picture))
    }

    /// The next picture and the next sound, in microseconds from the start; never where there are none.
    fn due_micros(&self) -> (u64, u64) {
        let picture = self.pictures.as_ref().map_or(u64::MAX, Pictures::due_micros);
        (picture, self.sounds.as_ref().map_or(u64::MAX, Sounds::due_micros))
    }

    /// The next frame, made now.
    pub fn take(&mut self) -> (Kind, Frame) {
        let (picture, sound) = self.due_micros();
        match (&mut self.pictures, &mut self.sounds) {
            (Some(pictures), _) if picture < sound => (Kind::Video, pictures.make()),
            (_, Some(sounds)) => {
                if let Some(sent) = &self.sent {
                    sent.push(stamp::nanos());
                }
                (Kind::Audio, sounds.make())
            }
            (_, None) => unreachable!("a feed has pictures or sound, and what it has not is never due"),
        }
    }
}

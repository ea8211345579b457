//! The clock that measurements go by, and how a picture carries it.

use std::sync::LazyLock;
use std::time::Instant;

use media::Frame;
use media::h264::{avcc, sei};

/// Names our `user_data_unregistered` message.
const UUID: [u8; 16] = *b"medley-testkit-1";

static BASE: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds of the monotonic clock since this process first asked.
pub fn nanos() -> u64 {
    u64::try_from(BASE.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// What a picture says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// Its number in its stream.
    pub number: u64,
    /// When it was handed to the publisher, on the clock of [`nanos`].
    pub nanos: u64,
}

impl Stamp {
    /// Picture `number`, made now.
    pub fn now(number: u64) -> Self {
        Self { number, nanos: nanos() }
    }

    /// As an SEI NAL unit (H.264 §D.1.7).
    pub fn write(self) -> Vec<u8> {
        let mut payload = [0; 16];
        payload[..8].copy_from_slice(&self.number.to_be_bytes());
        payload[8..].copy_from_slice(&self.nanos.to_be_bytes());
        sei::write_user_data(&UUID, &payload)
    }

    /// What the picture in `frame` (canonical H.264) says, if it says anything.
    pub fn of(frame: &Frame) -> Option<Self> {
        let mut nals = avcc::nals(&frame.payload, 4).filter_map(Result::ok);
        let payload = nals.find_map(|nal| sei::find_user_data(&nal, &UUID))?;
        let (number, nanos) = payload.split_first_chunk::<8>()?;
        let nanos = nanos.first_chunk::<8>()?;
        Some(Self { number: u64::from_be_bytes(*number), nanos: u64::from_be_bytes(*nanos) })
    }
}

//! One timeline for all tracks of one peer.
//!
//! Each RTP stream counts on a clock of its own with a random start (RFC 3550 §5.1). What ties audio to video is the
//! RTCP sender report (§6.4.1), which browsers send after one to five seconds, OBS never, and some cameras wrongly.
//! [`StreamClock`] therefore starts at once from arrival times and blends reports in when they come:
//!
//! | known | a track follows |
//! |---|---|
//! | nothing but arrivals | the fastest packets of the last 5 to 10 s: they show the path's fixed delay |
//! | reports of both tracks, plausible | audio: as above; video: audio, by the capture times of the reports |
//!
//! Corrections are slewed (at most 5 ms a second), never stepped, unless a track is off by more than 200 ms or reports
//! come in the first second: then all tracks move together and forward, so that no timestamp is given twice.

mod clock;
mod track;

pub use clock::{ClockTrack, SenderReport, StreamClock};

#[cfg(test)]
mod tests;

//! The clock of a stream: its tracks held together.

use std::time::Instant;

use media::{Rate, Timestamp};

use super::track::TrackClock;

/// A correction beyond this is not slewed: the track was restarted or its timestamps jumped. 200 ms is also what a
/// viewer notices as lip-sync error at once.
const STEP: i64 = 200_000_000;
/// No packet that is worth playing is on its way for longer than this; an older one carries a new timestamp base.
const LATEST: i64 = 10_000_000_000;
/// Audio against video by sender reports may differ from what arrivals show by encoder and pacer delays, not by more
/// than this; a report beyond it is wrong (cameras that count NTP from boot for one track only).
const PLAUSIBLE: i64 = 1_000_000_000;
/// Corrections at most 0.5 % of the elapsed media time: inaudible, and a 60 ms error is gone after 12 s.
const MAX_SLEW_DIVISOR: i64 = 200;
/// Reports that come this soon after a track's first packet, in ns of media time, put it right at once: nobody has
/// watched for long enough to notice. ffmpeg reports before its first packet, but over UDP the two come by different
/// ports and in any order; slewed, pictures that were sent before their sound were early for 12 s.
const YOUNG: i64 = 1_000_000_000;
/// What is not worth a step in ns: half of what arrivals on a good network differ by.
const SMALL: i64 = 5_000_000;
/// An error shrinks by 1/e in this time (ns of media time), so that 100 ppm of drift settle at 0.5 ms.
const SLEW_TIME: i64 = 5_000_000_000;

/// Names a track of a [`StreamClock`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ClockTrack(usize);

/// What a sender report says about the clocks of its sender (RFC 3550 §6.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SenderReport {
    /// The NTP timestamp in ns since any fixed instant, the same for all tracks; zero when the sender has none.
    pub ntp_nanos: i64,
    /// The RTP timestamp of that same instant.
    pub rtp: u32,
}

/// Maps the RTP timestamps of all tracks of one peer to one timeline. Its origin is the arrival of the first packet;
/// it runs with the local clock that gives the arrivals, so a sender whose clock is off by 100 ppm neither drains nor
/// fills a buffer downstream in a consultation of hours.
#[derive(Debug, Default)]
pub struct StreamClock {
    origin: Option<Instant>,
    tracks: Vec<TrackClock>,
    /// How far all tracks were moved into the future together so that none went back, in ns.
    lift: i64,
}

impl StreamClock {
    /// A clock without tracks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a track whose RTP timestamps count `rate`. With sender reports, video is led by audio: a corrected picture
    /// is shown a millisecond earlier or later, corrected sound has to be resampled.
    pub fn add_track(&mut self, rate: Rate, audio: bool) -> ClockTrack {
        self.tracks.push(TrackClock::new(rate, audio));
        ClockTrack(self.tracks.len() - 1)
    }

    /// The packets of `track` that follow are those of another source: nothing that was learnt of its clock holds. The
    /// next one is placed where it arrives, behind what was given out.
    ///
    /// # Panics
    /// If `track` belongs to another clock.
    pub fn restart(&mut self, track: ClockTrack) {
        self.tracks[track.0].forget();
    }

    /// Takes a sender report of `track`; one that comes before the track's first packet counts with that packet.
    ///
    /// # Panics
    /// If `track` belongs to another clock.
    pub fn sender_report(&mut self, track: ClockTrack, report: SenderReport) {
        self.tracks[track.0].report(report);
    }

    /// The timeline position of a packet of `track` with timestamp `rtp`, whose first byte arrived at `arrival`.
    ///
    /// Positions follow the timestamps exactly but for the slewing; a reordered packet gets its own, earlier position.
    ///
    /// # Panics
    /// If `track` belongs to another clock.
    pub fn stamp(&mut self, track: ClockTrack, rtp: u32, arrival: Instant) -> Timestamp {
        let origin = *self.origin.get_or_insert(arrival);
        let arrival = nanos_since(origin, arrival);
        let index = track.0;
        let ticks = self.tracks[index].unwrap(rtp);
        self.anchor(index, ticks, arrival);
        self.correct(index, ticks);
        let clock = &mut self.tracks[index];
        let position = clock.position(ticks, self.lift);
        clock.placed(ticks, position);
        Timestamp::new(position, clock.rate)
    }

    /// Notes the packet's delay; places the track at its first packet and after a jump of its timestamps.
    fn anchor(&mut self, index: usize, ticks: i64, arrival: i64) {
        let clock = &mut self.tracks[index];
        let delay = arrival - clock.nanos(ticks);
        let jumped = clock.base_nanos().is_none_or(|base| (delay - base).abs() > LATEST);
        if jumped {
            clock.restart(ticks);
            clock.base = Some(clock.fine(delay));
        }
        clock.observe(arrival, delay);
        if jumped && let Some(base) = self.beside(index) {
            self.tracks[index].base = Some(self.tracks[index].fine(base));
        }
        let clock = &self.tracks[index];
        let (position, after) = (clock.position(ticks, self.lift), clock.latest.map(|latest| latest + 1));
        if let Some(behind) = after.filter(|after| jumped && *after > position) {
            self.lift += clock.nanos(behind - position);
        }
    }

    /// Where the track's base ought to be, in ns, and whether sender reports say so.
    fn target(&self, index: usize) -> Option<(i64, bool)> {
        let clock = &self.tracks[index];
        let by_arrival = (clock.fastest()?, false);
        if clock.audio {
            return Some(by_arrival);
        }
        Some(self.by_reports(index).map_or(by_arrival, |base| (base, true)))
    }

    /// The base that puts video beside audio by the capture times in the sender reports of both.
    fn by_reports(&self, index: usize) -> Option<i64> {
        self.beside_track(index, self.tracks.iter().position(|track| track.audio)?)
    }

    /// The base that puts a track which begins beside one that is there. ffmpeg reports on each track before its first
    /// packet, and pictures that wait for others are sent before the sound they belong to: by their arrival alone they
    /// would be early for as long as slewing takes.
    fn beside(&self, index: usize) -> Option<i64> {
        let other_kind = |other: &usize| self.tracks[*other].audio != self.tracks[index].audio;
        (0..self.tracks.len()).filter(other_kind).find_map(|other| self.beside_track(index, other))
    }

    fn beside_track(&self, index: usize, other: usize) -> Option<i64> {
        let (track, other) = (&self.tracks[index], &self.tracks[other]);
        let between = track.ntp_offset()?.checked_sub(other.ntp_offset()?)?;
        // The same difference as arrivals show it; what is left is how much longer one track's path takes.
        let by_arrival = track.fastest()? - other.fastest()?;
        if between.abs_diff(by_arrival) > PLAUSIBLE as u64 {
            return None;
        }
        Some(other.base_nanos()? + between)
    }

    /// Moves the track's base towards its target: in proportion to the error and to the media time that passed, or
    /// all tracks at once when it is far off.
    fn correct(&mut self, index: usize, ticks: i64) {
        let Some((target, by_reports)) = self.target(index) else {
            return;
        };
        let clock = &mut self.tracks[index];
        let Some(base) = clock.base_nanos() else {
            return;
        };
        let error = target - base;
        // A packet ahead of the line proves at once that the line is late; a late one proves nothing for itself.
        let far = error < -STEP || (error > STEP && (by_reports || clock.settled()));
        let early = by_reports && clock.age(ticks) < YOUNG && error.abs() > SMALL;
        if far || early {
            return self.step();
        }
        let elapsed = clock.advance(ticks).min(SLEW_TIME);
        let wanted = (i128::from(error) * i128::from(elapsed) / i128::from(SLEW_TIME)) as i64;
        let limit = elapsed / MAX_SLEW_DIVISOR;
        let slewed = clock.fine(wanted.clamp(-limit, limit));
        clock.base = clock.base.map(|base| base + slewed);
    }

    /// Puts every track on its target at once. Where one would go back by that, all go forward by as much.
    fn step(&mut self) {
        let mut back = 0;
        // Audio first: video's target by reports follows audio's base.
        for audio in [true, false] {
            for index in
                (0..self.tracks.len()).filter(|&index| self.tracks[index].audio == audio).collect::<Vec<_>>()
            {
                let Some((target, _)) = self.target(index) else {
                    continue;
                };
                let clock = &mut self.tracks[index];
                back = back.max(clock.base_nanos().map_or(0, |base| base - target));
                clock.base = Some(clock.fine(target));
            }
        }
        self.lift += back;
    }
}

fn nanos_since(origin: Instant, at: Instant) -> i64 {
    let (ahead, nanos) = match at.checked_duration_since(origin) {
        Some(span) => (true, span.as_nanos()),
        None => (false, origin.duration_since(at).as_nanos()),
    };
    let nanos = i64::try_from(nanos).unwrap_or(i64::MAX);
    if ahead { nanos } else { -nanos }
}

//! The clock of one track: unwrapping, and the line that maps its ticks to the timeline.

use media::Rate;

use super::clock::SenderReport;

/// Half of the span over which the fastest packet counts, in ns. Long enough to meet a packet that did not queue
/// anywhere, short enough that 100 ppm of drift stay below 1 ms.
const WINDOW: i64 = 5_000_000_000;
/// Two reports of one sender agree when its NTP and RTP clocks moved alike between them, to within this, in ns.
const REPORT_TOLERANCE: i64 = 100_000_000;
/// So many reports in agreement replace an earlier one that they contradict (the sender's clock was set).
const REPORTS_TO_REPLACE: u8 = 3;

/// RTP ticks of a track mapped to the stream's timeline: `time = ticks / rate + base`, in ns.
#[derive(Debug)]
pub(super) struct TrackClock {
    pub(super) rate: Rate,
    pub(super) audio: bool,
    /// The last timestamp, unwrapped to 64 bits.
    ticks: Option<i64>,
    /// What to add to the media time, in units of 2^-16 ticks; `None` before the first packet.
    pub(super) base: Option<i64>,
    /// The unwrapped timestamp that the track began with.
    first: i64,
    /// The highest unwrapped timestamp that was mapped.
    highest: i64,
    /// The latest position given out, in ticks of the timeline.
    pub(super) latest: Option<i64>,
    /// The smallest "arrival − media time" of the running and of the last window, in ns.
    fastest: [Option<i64>; 2],
    window_ends: i64,
    /// A report that came before the first packet: its timestamp cannot be unwrapped yet.
    early: Option<SenderReport>,
    report: Option<Report>,
    rival: Option<(Report, u8)>,
}

/// "NTP − media time" of a sender report, in ns: constant while the sender's clocks run alike.
#[derive(Clone, Copy, Debug)]
struct Report {
    offset: i64,
}

impl TrackClock {
    pub(super) const fn new(rate: Rate, audio: bool) -> Self {
        Self {
            rate,
            audio,
            ticks: None,
            base: None,
            first: 0,
            highest: i64::MIN,
            latest: None,
            fastest: [None; 2],
            window_ends: i64::MIN,
            early: None,
            report: None,
            rival: None,
        }
    }

    /// The 64-bit timestamp nearest to the last one (RFC 3550 §5.1: 32 bits wrap after 13 h of video, 24 h of Opus).
    pub(super) fn unwrap(&mut self, rtp: u32) -> i64 {
        let ticks = self.extend(rtp);
        self.ticks = Some(ticks);
        ticks
    }

    fn extend(&self, rtp: u32) -> i64 {
        let Some(last) = self.ticks else {
            return i64::from(rtp);
        };
        // The difference of the low 32 bits, read as signed, is the shorter way around.
        last + i64::from(rtp.wrapping_sub(last as u32) as i32)
    }

    /// The media time of `ticks` in ns.
    pub(super) fn nanos(&self, ticks: i64) -> i64 {
        (i128::from(ticks) * 1_000_000_000 / i128::from(self.rate.hz())) as i64
    }

    /// Ticks of 2^-16 in `nanos`.
    pub(super) fn fine(&self, nanos: i64) -> i64 {
        (((i128::from(nanos) * i128::from(self.rate.hz())) << 16) / 1_000_000_000) as i64
    }

    /// What the track's base adds to the media time, in ns.
    pub(super) fn base_nanos(&self) -> Option<i64> {
        let base = i128::from(self.base?);
        Some(((base * 1_000_000_000 / i128::from(self.rate.hz())) >> 16) as i64)
    }

    /// The timeline position of `ticks`, in ticks; `lift` ns are common to all tracks.
    pub(super) fn position(&self, ticks: i64, lift: i64) -> i64 {
        let fine = self.base.unwrap_or(0) + self.fine(lift);
        ticks + ((fine + (1 << 15)) >> 16)
    }

    /// Notes that `position` was given to `ticks`.
    pub(super) fn placed(&mut self, ticks: i64, position: i64) {
        self.highest = self.highest.max(ticks);
        self.latest = self.latest.max(Some(position));
    }

    /// How many ns of media time lie between the highest timestamp mapped and `ticks`; zero for an older one.
    pub(super) fn advance(&self, ticks: i64) -> i64 {
        if self.highest == i64::MIN { 0 } else { self.nanos((ticks - self.highest).max(0)) }
    }

    /// Media time in ns from the track's first packet to `ticks`.
    pub(super) fn age(&self, ticks: i64) -> i64 {
        self.nanos(ticks.saturating_sub(self.first))
    }

    /// Takes note of a packet that took `delay` = arrival − media time.
    pub(super) fn observe(&mut self, arrival: i64, delay: i64) {
        if arrival >= self.window_ends {
            let gap = arrival.saturating_sub(self.window_ends) > WINDOW;
            self.fastest = [None, if gap { None } else { self.fastest[0] }];
            self.window_ends = arrival + WINDOW;
        }
        self.fastest[0] = Some(self.fastest[0].map_or(delay, |fastest| fastest.min(delay)));
    }

    /// The smallest delay seen lately.
    pub(super) fn fastest(&self) -> Option<i64> {
        self.fastest.iter().flatten().min().copied()
    }

    /// Whether a whole window went into [`Self::fastest`].
    pub(super) const fn settled(&self) -> bool {
        self.fastest[1].is_some()
    }

    /// A timestamp from another source (SSRC change, restarted encoder): nothing that was learnt holds.
    pub(super) fn restart(&mut self, rtp_ticks: i64) {
        self.ticks = Some(rtp_ticks);
        self.first = rtp_ticks;
        self.highest = i64::MIN;
        self.fastest = [None; 2];
        self.report = None;
        self.rival = None;
        if let Some(early) = self.early.take() {
            self.report(early);
        }
    }

    /// The next packet is the first of another source.
    pub(super) const fn forget(&mut self) {
        self.ticks = None;
        self.base = None;
        self.early = None;
    }

    /// A sender report. One that contradicts what the sender said before counts only once it is confirmed.
    pub(super) fn report(&mut self, report: SenderReport) {
        if report.ntp_nanos == 0 {
            return;
        }
        if self.ticks.is_none() {
            self.early = Some(report);
            return;
        }
        let offset = report.ntp_nanos.saturating_sub(self.nanos(self.extend(report.rtp)));
        let new = Report { offset };
        let agrees = |known: &Report| known.offset.abs_diff(offset) <= REPORT_TOLERANCE as u64;
        if self.report.as_ref().is_none_or(agrees) {
            (self.report, self.rival) = (Some(new), None);
            return;
        }
        let count = self.rival.filter(|(rival, _)| agrees(rival)).map_or(1, |(_, count)| count + 1);
        if count >= REPORTS_TO_REPLACE {
            (self.report, self.rival) = (Some(new), None);
        } else {
            self.rival = Some((new, count));
        }
    }

    /// "NTP − media time" by the sender's reports.
    pub(super) fn ntp_offset(&self) -> Option<i64> {
        self.report.map(|report| report.offset)
    }
}

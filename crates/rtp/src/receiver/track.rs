//! One incoming track.

use std::collections::VecDeque;
use std::time::Instant;

use media::TrackId;

use super::formats::{Line, Media, Sink};
use super::order::{Order, Ordered, Sequenced};
use super::statistics::{Counter, Statistics};
use super::{Event, REPORT_INTERVAL, ReceiveError, TrackConfig};
use crate::packet::Packet;
use crate::rtcp::{NtpTimestamp, ReportBlock};
use crate::timeline::{SenderReport, StreamClock};

#[derive(Debug)]
pub(super) struct Track {
    line: Line,
    payload_type: u8,
    order: Order,
    counter: Counter,
    ssrc: u32,
    media: Media,
    /// The last sender report's name, and when it came.
    heard: Option<(u32, Instant)>,
    report_due: Option<Instant>,
}

impl Track {
    pub(super) fn new(config: TrackConfig, clock: &mut StreamClock, events: &mut VecDeque<Event>) -> Self {
        let line = Line::new(&config, clock);
        let media = Media::new(config.format, line.id, events);
        Self {
            line,
            payload_type: config.payload_type,
            order: Order::new(config.reorder_wait),
            counter: Counter::default(),
            ssrc: 0,
            media,
            heard: None,
            report_due: None,
        }
    }

    pub(super) const fn id(&self) -> TrackId {
        self.line.id
    }

    pub(super) fn handle_packet(
        &mut self,
        packet: Packet,
        clock: &mut StreamClock,
        events: &mut VecDeque<Event>,
        now: Instant,
    ) -> Result<(), ReceiveError> {
        let (header, bytes) = (packet.header, packet.payload.len());
        if header.payload_type != self.payload_type {
            let (got, expected) = (header.payload_type, self.payload_type);
            return Err(ReceiveError::PayloadType { sequence: header.sequence, got, expected });
        }
        let sequenced = self.order.push(packet, now);
        if let Sequenced::Began { first, held } = sequenced {
            self.begin(first, header.ssrc, now, clock);
            held.into_iter().for_each(|bytes| self.counter.held(bytes));
        }
        if let Some(extended) = sequenced.extended() {
            self.counter.packet(extended, header.timestamp, bytes, now, self.line.rate);
        }
        self.drain(clock, events, now)
    }

    pub(super) fn handle_report(
        &mut self,
        ntp: NtpTimestamp,
        rtp: u32,
        clock: &mut StreamClock,
        now: Instant,
    ) {
        self.heard = Some((ntp.middle(), now));
        clock.sender_report(self.line.clock, SenderReport { ntp_nanos: ntp.nanos(), rtp });
    }

    /// Takes what is in order, or has waited long enough.
    pub(super) fn drain(
        &mut self,
        clock: &mut StreamClock,
        events: &mut VecDeque<Event>,
        now: Instant,
    ) -> Result<(), ReceiveError> {
        let mut result = Ok(());
        while let Some(ordered) = self.order.pop(now) {
            let taken = self.take(&ordered, clock, events);
            result = result.and(taken);
        }
        result
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.order.deadline()
    }

    pub(super) const fn report_due(&self) -> Option<Instant> {
        self.report_due
    }

    pub(super) fn report(&mut self, now: Instant) -> ReportBlock {
        self.report_due = Some(now + REPORT_INTERVAL);
        let (last_report, delay) = self.heard.map_or((0, 0), |(middle, at)| {
            let since = now.saturating_duration_since(at).as_nanos() << 16;
            (middle, (since / 1_000_000_000) as u32)
        });
        self.counter.report(self.ssrc, last_report, delay)
    }

    pub(super) fn statistics(&self) -> Statistics {
        self.counter.statistics()
    }

    /// A source begins with the extended sequence number `first`: the first one, or another in its place.
    fn begin(&mut self, first: u64, ssrc: u32, now: Instant, clock: &mut StreamClock) {
        if self.report_due.is_some() {
            self.media.restart();
            clock.restart(self.line.clock);
        }
        self.counter = Counter::begin(first);
        self.ssrc = ssrc;
        self.report_due.get_or_insert(now + REPORT_INTERVAL);
    }

    fn take(
        &mut self,
        ordered: &Ordered,
        clock: &mut StreamClock,
        events: &mut VecDeque<Event>,
    ) -> Result<(), ReceiveError> {
        self.line.arrived(ordered.packet.header.timestamp, ordered.arrival);
        self.media.push(ordered, &mut Sink { line: &mut self.line, clock, events })
    }
}

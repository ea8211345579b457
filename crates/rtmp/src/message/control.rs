//! User control and bandwidth messages.

use super::Error;
use bytes::{Buf, BufMut, BytesMut};

/// An event of §6.2 / §7.1.7.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum UserControl {
    /// 0: the message stream is usable.
    StreamBegin(u32),
    /// 1: nothing more will come on it.
    StreamEof(u32),
    /// 2: nothing comes for the moment.
    StreamDry(u32),
    /// 3: how much the client buffers. Live streams are sent as they come whatever it says.
    SetBufferLength {
        /// The message stream.
        stream: u32,
        /// The buffer in milliseconds.
        millis: u32,
    },
    /// 4: the stream is a recording.
    StreamIsRecorded(u32),
    /// 6: to be answered with the same number.
    PingRequest(u32),
    /// 7.
    PingResponse(u32),
    /// Anything else: Flash's buffer and SWF verification events (26, 27, 31, 32).
    Other(u16),
}

impl UserControl {
    pub(super) fn parse(mut body: &[u8]) -> Result<Self, Error> {
        let event = body.try_get_u16().map_err(|_| Error::Truncated)?;
        let mut number = || body.try_get_u32().map_err(|_| Error::Truncated);
        Ok(match event {
            0 => Self::StreamBegin(number()?),
            1 => Self::StreamEof(number()?),
            2 => Self::StreamDry(number()?),
            3 => Self::SetBufferLength { stream: number()?, millis: number()? },
            4 => Self::StreamIsRecorded(number()?),
            6 => Self::PingRequest(number()?),
            7 => Self::PingResponse(number()?),
            other => Self::Other(other),
        })
    }

    /// The body of the message.
    pub fn write(self) -> BytesMut {
        let (event, number, second) = match self {
            Self::StreamBegin(stream) => (0, Some(stream), None),
            Self::StreamEof(stream) => (1, Some(stream), None),
            Self::StreamDry(stream) => (2, Some(stream), None),
            Self::SetBufferLength { stream, millis } => (3, Some(stream), Some(millis)),
            Self::StreamIsRecorded(stream) => (4, Some(stream), None),
            Self::PingRequest(number) => (6, Some(number), None),
            Self::PingResponse(number) => (7, Some(number), None),
            Self::Other(event) => (event, None, None),
        };
        let mut body = BytesMut::with_capacity(10);
        body.put_u16(event);
        [number, second].into_iter().flatten().for_each(|number| body.put_u32(number));
        body
    }
}

/// How a Set Peer Bandwidth is to be taken (§5.4.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PeerBandwidthLimit {
    /// 0: the size from now on.
    Hard,
    /// 1: the smaller of this and the size in force.
    Soft,
    /// 2: hard if the last one was hard, else to be ignored.
    Dynamic,
}

impl From<u8> for PeerBandwidthLimit {
    fn from(byte: u8) -> Self {
        match byte {
            0 => Self::Hard,
            1 => Self::Soft,
            _ => Self::Dynamic,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_is_written_as_it_is_read() {
        for event in [
            UserControl::StreamBegin(1),
            UserControl::StreamEof(1),
            UserControl::StreamDry(2),
            UserControl::SetBufferLength { stream: 1, millis: 3000 },
            UserControl::StreamIsRecorded(1),
            UserControl::PingRequest(0xffff_ffff),
            UserControl::PingResponse(7),
            UserControl::PingResponse(0),
        ] {
            let body = event.write();
            assert_eq!(UserControl::parse(&body), Ok(event));
            let (_, short) = body.split_last().expect("at least the event");
            assert_eq!(UserControl::parse(short), Err(Error::Truncated));
        }
        assert_eq!(&UserControl::PingRequest(0x0102_0304).write()[..], [0, 6, 1, 2, 3, 4]);
    }
}

//! The Transport header (§12.39): how the packets of a track travel.

use std::fmt;

/// Transports in one header; more are not looked at.
const MAX_OFFERS: usize = 8;

/// How the packets of one track travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// In `$` frames on the connection itself (§10.12).
    Interleaved {
        /// The channel of RTP.
        rtp: u8,
        /// The channel of RTCP.
        rtcp: u8,
    },
    /// In datagrams between the client's ports and the server's.
    Udp {
        /// The port that the client sends RTP from and receives it at.
        rtp: u16,
        /// The same for RTCP.
        rtcp: u16,
    },
}

/// One transport that a client offers in SETUP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Offer {
    /// Channels as asked; `None` leaves the choice to the server.
    Interleaved(Option<(u8, u8)>),
    Udp {
        rtp: u16,
        rtcp: u16,
    },
    /// Multicast, encryption, another protocol, or no ports.
    Unsupported,
}

/// The offers of a SETUP request, the most wanted first.
pub(crate) fn offers(header: &str) -> impl Iterator<Item = Offer> {
    header.split(',').take(MAX_OFFERS).map(offer)
}

fn offer(text: &str) -> Offer {
    let Fields { tcp: Some(tcp), multicast: false, interleaved, client_port, .. } = Fields::parse(text)
    else {
        return Offer::Unsupported;
    };
    match (tcp, client_port) {
        (true, _) => Offer::Interleaved(interleaved),
        (false, Some((rtp, rtcp))) => Offer::Udp { rtp, rtcp },
        (false, None) => Offer::Unsupported,
    }
}

/// What a client needs of the answer to SETUP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    pub(crate) tcp: bool,
    pub(crate) interleaved: Option<(u8, u8)>,
    pub(crate) server_port: Option<(u16, u16)>,
    pub(crate) ssrc: Option<u32>,
}

/// Reads the answer to SETUP; `None` for what was not asked for.
pub(crate) fn answer(header: &str) -> Option<Answer> {
    let fields = Fields::parse(header.split(',').next()?);
    let Fields { tcp: Some(tcp), multicast: false, interleaved, server_port, ssrc, .. } = fields else {
        return None;
    };
    Some(Answer { tcp, interleaved, server_port, ssrc })
}

/// The parameters that matter. Names are case-insensitive; blanks around them are cameras'.
#[derive(Default)]
struct Fields {
    /// `None`: another profile or protocol.
    tcp: Option<bool>,
    multicast: bool,
    interleaved: Option<(u8, u8)>,
    client_port: Option<(u16, u16)>,
    server_port: Option<(u16, u16)>,
    ssrc: Option<u32>,
}

impl Fields {
    fn parse(text: &str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let mut fields = Self { tcp: protocol(parts.next().unwrap_or_default()), ..Self::default() };
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "multicast" => fields.multicast = true,
                "interleaved" => {
                    fields.interleaved = pair(value)
                        .and_then(|(rtp, rtcp)| Some((u8::try_from(rtp).ok()?, u8::try_from(rtcp).ok()?)));
                }
                "client_port" => fields.client_port = pair(value),
                "server_port" => fields.server_port = pair(value),
                // Eight hexadecimal digits; some cameras leave leading zeros out.
                "ssrc" => fields.ssrc = u32::from_str_radix(value.trim(), 16).ok(),
                _ => {}
            }
        }
        fields
    }
}

/// `RTP/AVP`, `RTP/AVP/UDP` or `RTP/AVP/TCP`; true for the last.
fn protocol(text: &str) -> Option<bool> {
    match text.to_ascii_uppercase().as_str() {
        "RTP/AVP" | "RTP/AVP/UDP" => Some(false),
        "RTP/AVP/TCP" => Some(true),
        _ => None,
    }
}

/// `a-b`; `a` alone means the next one for RTCP.
fn pair(text: &str) -> Option<(u16, u16)> {
    let (first, second) = text.split_once('-').map_or((text, None), |(first, second)| (first, Some(second)));
    let first: u16 = first.trim().parse().ok()?;
    let second = match second {
        Some(second) => second.trim().parse().ok()?,
        None => first.checked_add(1)?,
    };
    Some((first, second))
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interleaved { rtp, rtcp } => write!(f, "RTP/AVP/TCP;unicast;interleaved={rtp}-{rtcp}"),
            Self::Udp { rtp, rtcp } => write!(f, "RTP/AVP;unicast;client_port={rtp}-{rtcp}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(header: &str) -> Vec<Offer> {
        offers(header).collect()
    }

    #[test]
    fn offers_of_real_clients() {
        for (header, expected) in [
            // ffmpeg 5.1, GStreamer 1.22, live555 2022.
            ("RTP/AVP/TCP;unicast;interleaved=0-1", Offer::Interleaved(Some((0, 1)))),
            ("RTP/AVP/UDP;unicast;client_port=17546-17547", Offer::Udp { rtp: 17_546, rtcp: 17_547 }),
            ("RTP/AVP;unicast;client_port=50000-50001", Offer::Udp { rtp: 50_000, rtcp: 50_001 }),
            ("RTP/AVP/TCP;unicast;interleaved=2-3;mode=record", Offer::Interleaved(Some((2, 3)))),
            ("RTP/AVP/TCP; unicast", Offer::Interleaved(None)),
            ("RTP/AVP;unicast;client_port=5000", Offer::Udp { rtp: 5_000, rtcp: 5_001 }),
        ] {
            assert_eq!(all(header), [expected], "{header}");
        }
        let gstreamer =
            "RTP/AVP;unicast;client_port=5000-5001;mode=\"PLAY\",RTP/AVP/TCP;unicast;interleaved=0-1";
        assert_eq!(
            all(gstreamer),
            [Offer::Udp { rtp: 5_000, rtcp: 5_001 }, Offer::Interleaved(Some((0, 1)))]
        );
    }

    #[test]
    fn what_is_not_supported_is_told_apart() {
        for header in [
            "RTP/AVP;multicast;client_port=5000-5001",
            "RTP/SAVP;unicast;client_port=5000-5001",
            "RAW/RAW/UDP;unicast",
            "RTP/AVP;unicast",
            "RTP/AVP;unicast;client_port=65535",
            "RTP/AVP;unicast;client_port=70000-70001",
            "",
        ] {
            assert_eq!(all(header), [Offer::Unsupported], "{header}");
        }
        assert_eq!(all(&",".repeat(1_000)).len(), MAX_OFFERS);
    }

    #[test]
    fn answers_of_cameras() {
        let hikvision = "RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=4ea3b3e;mode=\"play\"";
        assert_eq!(
            answer(hikvision),
            Some(Answer { tcp: true, interleaved: Some((0, 1)), server_port: None, ssrc: Some(0x04ea_3b3e) })
        );
        let udp = "RTP/AVP/UDP;unicast;client_port=6970-6971;server_port=8000-8001";
        assert_eq!(
            answer(udp),
            Some(Answer { tcp: false, interleaved: None, server_port: Some((8_000, 8_001)), ssrc: None })
        );
        assert_eq!(answer("RTP/AVP;multicast;destination=232.0.0.1;port=1-2"), None);
    }
}

//! What is checked of an offer before str0m sees it, in one pass over at most 64 KiB.
//!
//! A 5 MB offer kept SRS busy for 5.6 s, and offers without credentials or fingerprint got a session there. Only what
//! the peer is going to need is kept; nothing of it ends in an error or a log line.

use std::collections::HashMap;

use crate::error::NegotiateError;

/// Largest offer in bytes. Chromium's for one picture and one sound are 6 KiB, with every codec and 30 candidates 12.
pub const MAX_OFFER_BYTES: usize = 64 * 1024;
/// Most lines of an offer.
pub const MAX_OFFER_LINES: usize = 2_000;
/// Most media sections of an offer.
pub const MAX_OFFER_MEDIA: usize = 8;
/// Most candidates of an offer.
const MAX_CANDIDATES: usize = 64;

/// A media section of an offer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) mid: String,
    pub(crate) video: bool,
}

/// What a peer needs to know of an offer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) sections: Vec<Section>,
    /// The sender says that its Opus is stereo (`sprop-stereo`, RFC 7587 §7.1) or that it prefers to get stereo.
    pub(crate) stereo: bool,
    /// Whether the offer leaves the DTLS role to us.
    pub(crate) actpass: bool,
    /// The peer understands picture loss indications (RFC 4585 §6.3.1).
    pub(crate) pli: bool,
    pub(crate) credentials: RemoteCredentials,
}

/// The credentials of an ICE agent as read from session description (RFC 8839 §5.4).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RemoteCredentials {
    pub(crate) ufrag: String,
    pub(crate) pwd: String,
}

impl RemoteCredentials {
    /// Lengths of RFC 8839 §5.4.
    pub(crate) fn is_valid(&self) -> bool {
        // Kurento's fragments have '-' and '_', which the grammar does not allow; nothing here depends on the alphabet
        // but for the separators.
        let separated = |text: &str| text.contains([':', ' ']);
        (4..=256).contains(&self.ufrag.len())
            && (22..=256).contains(&self.pwd.len())
            && !separated(&self.ufrag)
            && !separated(&self.pwd)
    }
}

#[derive(Default)]
struct Scan {
    sections: Vec<Section>,
    credentials: RemoteCredentials,
    fingerprint: bool,
    candidates: usize,
    stereo: bool,
    actpass: bool,
    pli: bool,
    /// What each payload type stands for: in a bundle one thing only (RFC 8843 §9.1).
    codecs: HashMap<String, (usize, String)>,
}

impl Offer {
    /// Checks bounds and the lines that ICE and DTLS cannot do without.
    pub(crate) fn check(text: &str) -> Result<Self, NegotiateError> {
        bound("bytes", text.len(), MAX_OFFER_BYTES)?;
        bound("lines", text.bytes().filter(|&c| c == b'\n').count(), MAX_OFFER_LINES)?;
        if !text.starts_with("v=0") {
            return Err(NegotiateError::Malformed("it does not start with v=0"));
        }
        let mut scan = Scan::default();
        for line in text.lines() {
            scan.line(line)?;
        }
        scan.finish()
    }
}

fn bound(what: &'static str, found: usize, limit: usize) -> Result<(), NegotiateError> {
    if found > limit { Err(NegotiateError::TooLarge { what, found, limit }) } else { Ok(()) }
}

impl Scan {
    fn line(&mut self, line: &str) -> Result<(), NegotiateError> {
        if let Some(media) = line.strip_prefix("m=") {
            return self.section(media);
        }
        let Some(attribute) = line.strip_prefix("a=") else { return Ok(()) };
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        match name {
            "ice-ufrag" => value.clone_into(&mut self.credentials.ufrag),
            "ice-pwd" => value.clone_into(&mut self.credentials.pwd),
            // The one hash that every browser sends and str0m computes (RFC 8827 §6.5).
            "fingerprint" => {
                self.fingerprint |= value.get(..8).is_some_and(|f| f.eq_ignore_ascii_case("sha-256 "))
            }
            "setup" => self.actpass |= value == "actpass",
            "candidate" => {
                self.candidates += 1;
                bound("candidates", self.candidates, MAX_CANDIDATES)?;
            }
            "mid" => self.mid(value)?,
            "rtpmap" => self.codec(value)?,
            "rtcp-fb" => self.pli |= value.ends_with(" nack pli"),
            "fmtp" => self.stereo |= value.contains("stereo=1"),
            _ => {}
        }
        Ok(())
    }

    fn section(&mut self, media: &str) -> Result<(), NegotiateError> {
        bound("media sections", self.sections.len() + 1, MAX_OFFER_MEDIA)?;
        let video = match media.split(' ').next() {
            Some("video") => true,
            Some("audio") => false,
            // Neither WHIP nor WHEP has a use for data channels, and SCTP is a lot of parser to expose for none.
            _ => return Err(NegotiateError::Malformed("a section is neither audio nor video")),
        };
        self.sections.push(Section { mid: String::new(), video });
        Ok(())
    }

    fn mid(&mut self, mid: &str) -> Result<(), NegotiateError> {
        let repeated = self.sections.iter().any(|section| section.mid == mid);
        let section = self.sections.last_mut().ok_or(NegotiateError::Malformed("a=mid before a section"))?;
        // str0m keeps 16 characters of a mid; longer ones could fall together.
        if mid.is_empty() || mid.len() > 16 || repeated {
            return Err(NegotiateError::Malformed("a=mid is empty, longer than 16 characters or repeated"));
        }
        mid.clone_into(&mut section.mid);
        Ok(())
    }

    fn codec(&mut self, map: &str) -> Result<(), NegotiateError> {
        let (kind, codec) =
            map.split_once(' ').ok_or(NegotiateError::Malformed("a=rtpmap without a codec"))?;
        let section = self.sections.len();
        let known = self.codecs.insert(kind.to_owned(), (section, codec.to_owned()));
        let twice = known.is_some_and(|(earlier, other)| earlier == section || other != codec);
        if twice || kind.parse::<u8>().is_ok_and(|kind| kind > 127) {
            return Err(NegotiateError::Malformed("a payload type is out of range or stands for two codecs"));
        }
        Ok(())
    }

    fn finish(self) -> Result<Offer, NegotiateError> {
        if self.sections.is_empty() {
            return Err(NegotiateError::Missing("media section"));
        }
        if self.sections.iter().any(|section| section.mid.is_empty()) {
            return Err(NegotiateError::Missing("a=mid in every media section"));
        }
        if !self.credentials.is_valid() {
            return Err(NegotiateError::Missing("valid a=ice-ufrag and a=ice-pwd"));
        }
        if !self.fingerprint {
            return Err(NegotiateError::Missing("a=fingerprint:sha-256"));
        }
        let Self { sections, stereo, actpass, pli, credentials, .. } = self;
        Ok(Offer { sections, stereo, actpass, pli, credentials })
    }
}

/// The offer with the DTLS role decided: what `a=setup:actpass` leaves open is answered with `active` when the offer
/// reads `passive` (RFC 8842 §5.3). str0m itself always answers `passive`.
pub(crate) fn with_passive_peer(text: &str) -> String {
    text.replace("a=setup:actpass", "a=setup:passive")
}

/// The offer with other ICE credentials and candidates: a restart that arrived as a fragment (RFC 9725 §4.3.2) seen as
/// the renegotiation that str0m understands.
pub(crate) fn with_credentials(text: &str, credentials: &RemoteCredentials) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    for line in text.lines() {
        if line.starts_with("a=ice-ufrag:") {
            out.push_str("a=ice-ufrag:");
            out.push_str(&credentials.ufrag);
        } else if line.starts_with("a=ice-pwd:") {
            out.push_str("a=ice-pwd:");
            out.push_str(&credentials.pwd);
        } else if line.starts_with("a=candidate:") || line.starts_with("a=end-of-candidates") {
            continue;
        } else {
            out.push_str(line);
        }
        out.push_str("\r\n");
    }
    out
}

/// The offer with the same stream name in all sections. str0m answers with the names that it finds and makes up one for
/// each section that has none, as a reader's have; receivers put sound beside picture only within one stream
/// (RFC 8830 §3), and Chromium played the sound 80 ms late.
pub(crate) fn with_one_stream(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    for line in text.lines().filter(|line| !line.starts_with("a=msid:")) {
        out.extend([line, "\r\n"]);
        if let Some(mid) = line.strip_prefix("a=mid:") {
            out.extend(["a=msid:medley ", mid.trim_end(), "\r\n"]);
        }
    }
    out
}

/// An answer whose sections without a codec are rejected (port 0, RFC 8829 §5.3.1). str0m leaves them open with an
/// empty list of formats, which is not session description (RFC 8866 §5.14) and fails the whole answer in a browser.
pub(crate) fn reject_empty_sections(answer: &str) -> String {
    let mut out = String::with_capacity(answer.len() + 16);
    for line in answer.lines() {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        match *fields.as_slice() {
            [media, _, proto] if media.starts_with("m=") => out.extend([media, " 0 ", proto, " 0"]),
            _ => out.push_str(line),
        }
        out.push_str("\r\n");
    }
    out
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const CHROMIUM: &str = include_str!("../../../tests/vectors/chromium-156/whep-offer.sdp");
    pub(crate) const CHROMIUM_WHIP: &str = include_str!("../../../tests/vectors/chromium-156/whip-offer.sdp");

    #[test]
    fn a_browsers_offer_is_read() {
        let offer = Offer::check(CHROMIUM).unwrap();
        let kinds: Vec<_> = offer.sections.iter().map(|s| (s.mid.as_str(), s.video)).collect();
        assert_eq!(kinds, [("0", true), ("1", false)]);
        assert!(offer.actpass && offer.pli && !offer.stereo);
    }

    #[test]
    fn offers_without_what_ice_and_dtls_need_are_refused() {
        for (line, reason) in [
            ("a=ice-ufrag:", "valid a=ice-ufrag and a=ice-pwd"),
            ("a=ice-pwd:", "valid a=ice-ufrag and a=ice-pwd"),
            ("a=fingerprint:", "a=fingerprint:sha-256"),
            ("a=mid:", "a=mid in every media section"),
        ] {
            let without: String =
                CHROMIUM.lines().filter(|l| !l.starts_with(line)).flat_map(|l| [l, "\r\n"]).collect();
            assert_eq!(Offer::check(&without), Err(NegotiateError::Missing(reason)));
        }
    }

    #[test]
    fn offers_beyond_the_bounds_are_refused_without_being_read() {
        let large = format!("v=0\r\n{}", "a=x\r\n".repeat(MAX_OFFER_BYTES));
        assert!(matches!(Offer::check(&large), Err(NegotiateError::TooLarge { what: "bytes", .. })));
        let lines = format!("v=0\r\n{}", "a=x\r\n".repeat(MAX_OFFER_LINES));
        assert!(matches!(Offer::check(&lines), Err(NegotiateError::TooLarge { what: "lines", .. })));
        let sections =
            format!("v=0\r\n{}", "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n".repeat(MAX_OFFER_MEDIA + 1));
        assert!(matches!(
            Offer::check(&sections),
            Err(NegotiateError::TooLarge { what: "media sections", .. })
        ));
    }

    #[test]
    fn two_codecs_on_one_payload_type_are_refused() {
        let twice = CHROMIUM.replace("a=rtpmap:104 H264/90000", "a=rtpmap:102 H264/90000");
        assert!(matches!(Offer::check(&twice), Err(NegotiateError::Malformed(_))));
    }
}

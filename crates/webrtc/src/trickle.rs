//! The body of a WHIP or WHEP PATCH: `application/trickle-ice-sdpfrag` (RFC 8840, RFC 9725 §4.3).

use std::fmt::Write as _;

use str0m::Candidate;

use crate::error::TrickleError;
use crate::offer::RemoteCredentials;

/// The media type of the body.
pub const MEDIA_TYPE: &str = "application/trickle-ice-sdpfrag";
/// Largest body in bytes.
pub const MAX_BYTES: usize = 16 * 1024;
/// Most candidates of one body.
pub const MAX_CANDIDATES: usize = 64;

/// A fragment: candidates that were found after the offer, or a restart when the credentials are new.
#[derive(Debug)]
pub struct Fragment {
    pub(crate) credentials: RemoteCredentials,
    pub(crate) candidates: Vec<Candidate>,
    /// The sender has no more candidates.
    pub end_of_candidates: bool,
}

impl Fragment {
    /// Reads a fragment. Candidates that cannot be used here (mDNS names, which Chromium shows to pages without camera
    /// permission; relays over TLS) are left out: they are a hint, and an ICE-lite side does not even need that.
    ///
    /// # Errors
    /// [`TrickleError`] when it is too large, has a line that is none, or lacks credentials.
    pub fn parse(body: &str) -> Result<Self, TrickleError> {
        if body.len() > MAX_BYTES {
            return Err(TrickleError::TooLarge);
        }
        let mut fragment = Self {
            credentials: RemoteCredentials::default(),
            candidates: Vec::new(),
            end_of_candidates: false,
        };
        let mut seen = 0;
        for (index, line) in body.lines().enumerate() {
            let line = line.trim_end();
            if line.is_empty() {
                continue;
            }
            if line.as_bytes().get(1) != Some(&b'=') {
                return Err(TrickleError::Malformed { line: index + 1 });
            }
            seen += usize::from(line.starts_with("a=candidate:"));
            if seen > MAX_CANDIDATES {
                return Err(TrickleError::TooLarge);
            }
            fragment.attribute(line);
        }
        if fragment.credentials.is_valid() { Ok(fragment) } else { Err(TrickleError::Credentials) }
    }

    fn attribute(&mut self, line: &str) {
        if let Some(ufrag) = line.strip_prefix("a=ice-ufrag:") {
            ufrag.clone_into(&mut self.credentials.ufrag);
        } else if let Some(pwd) = line.strip_prefix("a=ice-pwd:") {
            pwd.clone_into(&mut self.credentials.pwd);
        } else if line.starts_with("a=candidate:") {
            self.candidates.extend(Candidate::from_sdp_string(&line[2..]).ok());
        } else if line == "a=end-of-candidates" {
            self.end_of_candidates = true;
        }
    }
}

/// Our side of a restart: the answer to a PATCH with new credentials (RFC 9725 §4.3.2).
pub(crate) fn write(ufrag: &str, pwd: &str, media: &str, mid: &str, candidates: &[Candidate]) -> String {
    let mut body = format!(
        "a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\nm={media} 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:{mid}\r\n"
    );
    for candidate in candidates {
        let _ = write!(body, "a={}\r\n", candidate.to_sdp_string());
    }
    body.push_str("a=end-of-candidates\r\n");
    body
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY: &str = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n\
        a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw\r\n\
        a=candidate:3471623853 1 udp 2122194687 f3d1.local 61765 typ host\r\na=end-of-candidates\r\n";

    #[test]
    fn the_example_of_rfc_9725_is_read_and_an_mdns_name_is_left_out() {
        let fragment = Fragment::parse(BODY).unwrap();
        assert_eq!(fragment.credentials.ufrag, "EsAw");
        assert_eq!(fragment.candidates.len(), 1);
        assert!(fragment.end_of_candidates);
    }

    #[test]
    fn fragments_out_of_bounds_are_refused() {
        assert_eq!(Fragment::parse(&"a=x\r\n".repeat(4_000)).unwrap_err(), TrickleError::TooLarge);
        let candidate = "a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n";
        assert_eq!(Fragment::parse(&candidate.repeat(65)).unwrap_err(), TrickleError::TooLarge);
        assert_eq!(Fragment::parse("a=mid:0\r\n").unwrap_err(), TrickleError::Credentials);
        assert_eq!(Fragment::parse("\r\nhello\r\n").unwrap_err(), TrickleError::Malformed { line: 2 });
    }

    #[test]
    fn what_is_written_can_be_read() {
        let candidate = Candidate::host("192.0.2.9:8189".parse().unwrap(), "udp").unwrap();
        let body = write("abcd", "0123456789012345678901", "audio", "0", &[candidate]);
        let fragment = Fragment::parse(&body).unwrap();
        assert_eq!((fragment.candidates.len(), fragment.credentials.ufrag.as_str()), (1, "abcd"));
    }

    proptest! {
        #[test]
        fn no_text_panics(body in "(a=(candidate|ice-ufrag|mid):[ -~é]{0,60}\r?\n|[ -~]{0,20}\n){0,8}") {
            let _ = Fragment::parse(&body);
        }
    }
}

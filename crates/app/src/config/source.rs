//! Where the stream of a path comes from.

use std::fmt;

use gateway::trust::Fingerprint;
use media::Pii;

use super::document::{Found, Located};
use super::rule::{Refusal, Rule, Shape, Text, because};
use super::value::is_authority;

/// Where the stream of a path comes from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Source {
    /// From whoever publishes it here.
    #[default]
    Publisher,
    /// From another server, which is asked for it.
    Pull(PullSource),
}

/// A stream of another server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PullSource {
    /// By which protocol.
    pub scheme: Scheme,
    /// The whole URL, in which `$G1`, `$G2`, ... and `$MTX_QUERY` may stand. May hold a password.
    pub url: Pii<String>,
    /// The certificate that the server has to show in TLS; `None`: one that the system trusts.
    pub fingerprint: Option<Fingerprint>,
}

/// A protocol by which streams are taken from other servers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// RTMP over TCP.
    Rtmp,
    /// RTMP in TLS.
    Rtmps,
    /// RTSP, over TCP unless the camera wants UDP.
    Rtsp,
    /// RTSP in TLS, its packets too.
    Rtsps,
}

impl Scheme {
    const ALL: &'static [(&'static str, Self)] =
        &[("rtmp", Self::Rtmp), ("rtmps", Self::Rtmps), ("rtsp", Self::Rtsp), ("rtsps", Self::Rtsps)];

    /// Whether it is in TLS.
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::Rtmps | Self::Rtsps)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, scheme)| scheme == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

impl Source {
    /// What MediaMTX calls it, in the environment of commands and as a type in its API; `None` for publishers, whose
    /// sessions have names of their own.
    pub const fn name(&self) -> Option<&'static str> {
        match self {
            Self::Publisher => None,
            Self::Pull(PullSource { scheme: Scheme::Rtmp | Scheme::Rtmps, .. }) => Some("rtmpSource"),
            Self::Pull(PullSource { scheme: Scheme::Rtsp | Scheme::Rtsps, .. }) => Some("rtspSource"),
        }
    }

    /// Reads `publisher` or a URL.
    ///
    /// # Errors
    /// What is wrong with it, without repeating it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text == "publisher" {
            return Ok(Self::Publisher);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err("something that is neither \"publisher\" nor a URL");
        };
        let Some((_, scheme)) = Scheme::ALL.iter().find(|(name, _)| *name == scheme) else {
            return Err("a URL of another kind");
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let graphic = text.bytes().all(|byte| byte.is_ascii_graphic());
        let rtmp = matches!(scheme, Scheme::Rtmp | Scheme::Rtmps);
        let named = path.trim_matches('/').split('?').next().is_some_and(|name| !name.is_empty());
        if !graphic {
            return Err("a URL with spaces or other characters that must be percent-encoded");
        }
        if rtmp && authority.contains('@') {
            return Err("an RTMP URL with a user in front of the host; RTMP takes ?user=NAME&pass=PASSWORD");
        }
        if !is_host(authority) {
            return Err("a URL whose host or port is none");
        }
        if rtmp && !named {
            return Err("an RTMP URL without the name of a stream");
        }
        Ok(Self::Pull(PullSource { scheme: *scheme, url: Pii(text.to_owned()), fingerprint: None }))
    }
}

/// Whether `authority` is a host and a port, perhaps behind a user, or will be one once its groups are known.
fn is_host(authority: &str) -> bool {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    is_authority(host) || (host.contains('$') && !host.contains(|c: char| "/?#@[]".contains(c)))
}

/// The rule of `path.source_fingerprint`.
pub(crate) fn fingerprint() -> Text<Option<Fingerprint>> {
    Text {
        accepted: "a SHA-256 as 64 hexadecimal digits, with or without colons",
        parse: |text| if text.is_empty() { Some(None) } else { Fingerprint::parse(text).map(Some) },
    }
}

/// The rule of `path.source`. A URL may hold a password, so it is never repeated.
pub(crate) struct SourceRule;

impl Rule for SourceRule {
    type Value = Source;

    fn shape(&self) -> Shape {
        Shape::Text
    }

    fn accepted(&self) -> String {
        "\"publisher\" or a URL such as \"rtmp://HOST/PATH\" or \"rtsp://USER:PASSWORD@HOST/PATH\" (rtmps, rtsps in TLS)"
            .to_owned()
    }

    fn read(&self, found: &Located) -> Result<Source, Vec<Refusal>> {
        let what = match &found.value {
            Found::Text(text) => match Source::parse(text) {
                Ok(source) => return Ok(source),
                Err(what) => what,
            },
            _ => "something that is no text",
        };
        because(found, format!("found {what}; accepted: {}", self.accepted()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_the_publisher_or_a_url_of_a_known_kind() {
        assert_eq!(Source::parse("publisher"), Ok(Source::Publisher));
        for url in [
            "rtmp://clinic.example/live/bed?user=a&pass=b",
            "rtmp://[::1]:19350/bed",
            "rtmp://127.0.0.1/$G1?$MTX_QUERY",
            "rtmp://$G1/live",
        ] {
            let Ok(Source::Pull(pull)) = Source::parse(url) else { panic!("{url}") };
            assert_eq!((pull.scheme, pull.url.reveal().as_str()), (Scheme::Rtmp, url));
        }
        let Ok(Source::Pull(pull)) = Source::parse("rtsps://camera:8322/x") else { panic!("a URL") };
        assert!(pull.scheme.is_tls());
        for url in
            ["rtsp://admin:p%40ss@192.0.2.9:554/Streaming/Channels/101", "rtsp://camera", "rtsp://$G1/x"]
        {
            let Ok(Source::Pull(pull)) = Source::parse(url) else { panic!("{url}") };
            assert_eq!((pull.scheme, pull.url.reveal().as_str()), (Scheme::Rtsp, url));
        }
    }

    #[test]
    fn a_wrong_source_is_told_without_being_repeated() {
        for (wrong, why) in [
            ("", "neither"),
            ("redirect", "neither"),
            ("http://h/hunter2.m3u8", "another kind"),
            ("rtmp://h", "name of a stream"),
            ("rtmps://h/?hunter2", "name of a stream"),
            ("rtmp:///a", "host or port"),
            ("rtmp://h:x/hunter2", "host or port"),
            ("rtmp://u:hunter2@h/a", "?user="),
            ("rtmp://h/a hunter2", "percent-encoded"),
        ] {
            let found = Source::parse(wrong).unwrap_err();
            assert!(found.contains(why) && !found.contains("hunter2"), "{wrong}: {found}");
        }
        let shown = format!("{:?}", Source::parse("rtmp://h/a?pass=hunter2"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

//! Where a camera is.

use std::fmt;

use media::Pii;
use percent_encoding::percent_decode_str;

/// A camera's address with what opens it. Nothing of it shows in a log: cameras take passwords in paths and queries too.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// Without name and password.
    url: rtsp_types::Url,
    credentials: Option<Pii<(String, String)>>,
}

/// Why an address is none. Never repeats it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// It breaks the grammar of URLs (RFC 3986).
    #[error("not a URL; accepted are rtsp://[USER:PASSWORD@]HOST[:PORT]/PATH and rtsps://")]
    Malformed,
    /// Another protocol.
    #[error("not an RTSP URL; accepted are rtsp:// and rtsps://")]
    Scheme,
    /// No host.
    #[error("the URL names no host")]
    Host,
}

impl Url {
    /// Reads an address. Name and password are percent-decoded.
    ///
    /// # Errors
    /// [`UrlError`].
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let mut url = rtsp_types::Url::parse(text.trim()).map_err(|_| UrlError::Malformed)?;
        if !matches!(url.scheme(), "rtsp" | "rtsps") {
            return Err(UrlError::Scheme);
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(UrlError::Host);
        }
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let credentials = (!url.username().is_empty())
            .then(|| Pii((decoded(url.username()), decoded(url.password().unwrap_or_default()))));
        // Neither fails on a URL with a host.
        let _ = url.set_password(None);
        let _ = url.set_username("");
        Ok(Self { url, credentials })
    }

    /// A redirection to `text` (§11.3.2); who needs credentials there gets the same.
    pub(super) fn redirected(&self, text: &str) -> Result<Self, UrlError> {
        let mut url = Self::parse(text)?;
        if url.host() == self.host() && url.credentials.is_none() {
            url.credentials.clone_from(&self.credentials);
        }
        Ok(url)
    }

    /// The host as a resolver takes it: IPv6 addresses without brackets.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    /// The port: 554, and 322 with TLS, unless named (§3.2, RFC 7826 §4.2).
    pub fn port(&self) -> u16 {
        self.url.port().unwrap_or(if self.is_tls() { 322 } else { 554 })
    }

    /// Whether the connection is in TLS.
    pub fn is_tls(&self) -> bool {
        self.url.scheme() == "rtsps"
    }

    pub(super) fn as_str(&self) -> &str {
        self.url.as_str()
    }

    pub(super) fn credentials(&self) -> Option<(&str, &str)> {
        self.credentials.as_ref().map(|pair| (pair.reveal().0.as_str(), pair.reveal().1.as_str()))
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Url(<redacted>)")
    }
}

/// The URL of a track: `control` itself where it is absolute, else appended to `base` (§C.1.1). Appended as text, as
/// ffmpeg and live555 do it and cameras expect it: by RFC 3986 a base with a query would lose it.
pub(super) fn join(base: &str, control: &str) -> String {
    if control.is_empty() || control == "*" {
        return base.to_owned();
    }
    if control.contains("://") {
        return control.to_owned();
    }
    let slash = if base.ends_with('/') { "" } else { "/" };
    format!("{base}{slash}{}", control.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_cameras() {
        let url =
            Url::parse("rtsp://admin:p%40ss@192.0.2.9/Streaming/Channels/101?transportmode=unicast").unwrap();
        assert_eq!((url.host(), url.port(), url.is_tls()), ("192.0.2.9", 554, false));
        assert_eq!(url.credentials(), Some(("admin", "p@ss")));
        assert_eq!(url.as_str(), "rtsp://192.0.2.9/Streaming/Channels/101?transportmode=unicast");
        let six = Url::parse("rtsps://[2001:db8::1]:8322/x").unwrap();
        assert_eq!((six.host(), six.port(), six.is_tls()), ("2001:db8::1", 8_322, true));
        assert!(!format!("{url:?}").contains("admin"));
        for (text, error) in [
            ("http://h/x", UrlError::Scheme),
            ("rtsp:///x", UrlError::Host),
            ("rtsp://[::1", UrlError::Malformed),
            ("", UrlError::Malformed),
        ] {
            assert_eq!(Url::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_redirection_within_the_host_keeps_the_credentials() {
        let url = Url::parse("rtsp://u:p@h/a").unwrap();
        assert_eq!(url.redirected("rtsp://h/b").unwrap().credentials(), Some(("u", "p")));
        assert_eq!(url.redirected("rtsp://other/b").unwrap().credentials(), None);
    }

    #[test]
    fn tracks_are_appended() {
        assert_eq!(join("rtsp://h/a/", "trackID=1"), "rtsp://h/a/trackID=1");
        assert_eq!(join("rtsp://h/a?x=1", "trackID=1"), "rtsp://h/a?x=1/trackID=1");
        assert_eq!(join("rtsp://h/a", "rtsp://h/b/c"), "rtsp://h/b/c");
        assert_eq!(join("rtsp://h/a", "*"), "rtsp://h/a");
    }
}

//! `rtmp://host[:port]/app/key?query`, or `rtmps://`.

use media::Pii;

/// The port of RTMP, and of RTMP in TLS as ffmpeg and librtmp have it, where a URL names none.
const DEFAULT_PORTS: (u16, u16) = (1935, 443);

/// Where a client goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Url {
    /// A name or an address (IPv6 without brackets).
    pub host: Pii<String>,
    /// The TCP port.
    pub port: u16,
    /// Whether the connection is in TLS.
    pub tls: bool,
    pub(super) app: Pii<String>,
    pub(super) key: Pii<String>,
    pub(super) tc_url: Pii<String>,
}

impl Url {
    /// Splits a URL as ffmpeg does: the last segment is the key, all before it the app; a single segment is the app and
    /// the key is empty. The query stays with the last of them. `None` if there is neither `rtmp://` nor `rtmps://`, no
    /// host or no app, or the port is no number.
    pub fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (tls, default_port) = match scheme {
            "rtmp" => (false, DEFAULT_PORTS.0),
            "rtmps" => (true, DEFAULT_PORTS.1),
            _ => return None,
        };
        let (authority, path) = rest.split_once('/')?;
        let (host, port) = split_port(authority)?;
        let port = port.unwrap_or(default_port);
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let path = path.trim_matches('/');
        let (app, key) = path.rsplit_once('/').unwrap_or((path, ""));
        if host.is_empty() || app.is_empty() {
            return None;
        }
        let with_query =
            |text: &str| query.map_or_else(|| text.to_owned(), |query| format!("{text}?{query}"));
        let (app, key) =
            if key.is_empty() { (with_query(app), String::new()) } else { (app.to_owned(), with_query(key)) };
        let tc_url = Pii(format!("{scheme}://{authority}/{app}"));
        Some(Self { host: Pii(host.to_owned()), port, tls, app: Pii(app), key: Pii(key), tc_url })
    }
}

/// Host and port of `host`, `host:port`, `[v6]` and `[v6]:port`.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(v6) => v6.split_once(']')?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = match rest.strip_prefix(':') {
        Some(port) => Some(port.parse().ok()?),
        None if rest.is_empty() => None,
        None => return None,
    };
    Some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_split_into_app_and_key() {
        for (url, host, port, app, key) in [
            ("rtmp://h/doctorStream", "h", 1935, "doctorStream", ""),
            ("rtmp://h:19350/c/s?token=t/x", "h", 19350, "c", "s?token=t/x"),
            ("rtmp://127.0.0.1/a/b/c/", "127.0.0.1", 1935, "a/b", "c"),
            ("rtmp://[::1]:99/s?u=1", "::1", 99, "s?u=1", ""),
            ("rtmp://[::1]/s", "::1", 1935, "s", ""),
        ] {
            let parsed = Url::parse(url).unwrap();
            let parts = (parsed.host.0.as_str(), parsed.port, parsed.app.0.as_str(), parsed.key.0.as_str());
            assert_eq!(parts, (host, port, app, key));
        }
        assert_eq!(Url::parse("rtmp://h:99/a/b?q").unwrap().tc_url.0, "rtmp://h:99/a");
        let secured = Url::parse("rtmps://h/a/b").unwrap();
        assert_eq!((secured.port, secured.tls, secured.tc_url.0.as_str()), (443, true, "rtmps://h/a"));
    }

    #[test]
    fn what_is_no_rtmp_url_is_refused() {
        for url in [
            "http://h/a",
            "rtmp://h",
            "rtmp:///a",
            "rtmp://h/",
            "rtmp://h:x/a",
            "rtmp://[::1/a",
            "rtmp://[::1]x/a",
        ] {
            assert_eq!(Url::parse(url), None, "{url}");
        }
    }

    #[test]
    fn nothing_of_it_is_shown() {
        let shown = format!("{:?}", Url::parse("rtmp://clinic.example/ward/bed?token=secret"));
        assert!(!shown.contains("clinic") && !shown.contains("secret") && !shown.contains("bed"), "{shown}");
    }
}

//! `rtmp://host[:port]/app/key?query`.

use media::Pii;

/// The port of RTMP where a URL names none.
const DEFAULT_PORT: u16 = 1935;

/// Where a client goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Url {
    /// A name or an address (IPv6 without brackets).
    pub host: Pii<String>,
    /// The TCP port.
    pub port: u16,
    pub(super) app: Pii<String>,
    pub(super) key: Pii<String>,
    pub(super) tc_url: Pii<String>,
}

impl Url {
    /// Splits a URL as ffmpeg does: the last segment is the key, all before it the app; a single segment is the app and
    /// the key is empty. The query stays with the last of them. `None` if there is no `rtmp://`, no host or no app, or
    /// the port is no number.
    pub fn parse(url: &str) -> Option<Self> {
        let (authority, path) = url.strip_prefix("rtmp://")?.split_once('/')?;
        let (host, port) = split_port(authority)?;
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
        let tc_url = Pii(format!("rtmp://{authority}/{app}"));
        Some(Self { host: Pii(host.to_owned()), port, app: Pii(app), key: Pii(key), tc_url })
    }
}

/// Host and port of `host`, `host:port`, `[v6]` and `[v6]:port`.
fn split_port(authority: &str) -> Option<(&str, u16)> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(v6) => v6.split_once(']')?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = match rest.strip_prefix(':') {
        Some(port) => port.parse().ok()?,
        None if rest.is_empty() => DEFAULT_PORT,
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

//! Which stream a URL means.

use media::{PathError, Pii, StreamPath};

/// What stands in front of the name of a track in the URLs that this server gives out; the same as MediaMTX'.
pub(crate) const TRACK: &str = "trackID=";

/// The stream that a client publishes or plays, and what else its URL says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// The path, without slashes at its ends and without the name of a track.
    pub path: Result<StreamPath, PathError>,
    /// What follows the question mark; credentials may stand here.
    pub query: Pii<String>,
    /// Name and password in the authority, percent-encoded as they came.
    pub userinfo: Option<Pii<(String, String)>>,
}

impl Target {
    /// Reads a request's URL. `rtsp://host/a/b?token=x/trackID=1` is what ffmpeg makes of a base with a query: the track
    /// may stand behind the query as well as behind the path.
    pub fn parse(url: &str) -> Self {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let (authority, rest) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
        let userinfo = authority.rsplit_once('@').map(|(userinfo, _)| {
            let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
            Pii((user.to_owned(), password.to_owned()))
        });
        let (rest, _) = split_track(rest);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        Self {
            path: StreamPath::new(path.trim_matches('/')),
            query: Pii(query.trim_end_matches('/').to_owned()),
            userinfo,
        }
    }
}

/// A URL without the name of a track at its end, and that track's number.
pub(crate) fn split_track(url: &str) -> (&str, Option<usize>) {
    let Some((base, number)) = url.rsplit_once(TRACK) else { return (url, None) };
    match number.trim_end_matches('/').parse() {
        Ok(number) => (base.strip_suffix('/').unwrap_or(base), Some(number)),
        Err(_) => (url, None),
    }
}

/// A URL without query and userinfo, with one slash at its end: what tracks are named relative to (§12.11, C.1.1).
pub(crate) fn content_base(url: &str) -> String {
    let (url, _) = split_track(url);
    let url = url.split_once('?').map_or(url, |(url, _)| url).trim_end_matches('/');
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let authority = rest.find('/').unwrap_or(rest.len());
            let host = rest[..authority].rfind('@').map_or(0, |at| at + 1);
            format!("{scheme}://{}/", &rest[host..])
        }
        None => format!("{url}/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_track_may_stand_behind_the_query() {
        for (url, path, query) in [
            ("rtsp://h:8554/ward/bed", "ward/bed", ""),
            ("rtsp://h/ward/", "ward", ""),
            ("rtsp://h/ward/trackID=0", "ward", ""),
            ("rtsp://h/ward?token=a:b/trackID=1", "ward", "token=a:b"),
            ("rtsp://h/ward?token=x/", "ward", "token=x"),
            ("rtsp://h/ward/?token=x", "ward", "token=x"),
            ("rtsps://u:p@h/ward?a=1&b=2", "ward", "a=1&b=2"),
        ] {
            let target = Target::parse(url);
            assert_eq!(target.path.unwrap().as_str(), path, "{url}");
            assert_eq!(target.query.reveal(), query, "{url}");
        }
        assert_eq!(split_track("rtsp://h/a/trackID=12/"), ("rtsp://h/a", Some(12)));
        assert_eq!(split_track("rtsp://h/a/trackID=x"), ("rtsp://h/a/trackID=x", None));
    }

    #[test]
    fn the_userinfo_is_found_and_never_shown() {
        let target = Target::parse("rtsp://li:s%40ecret@h/ward?pass=hidden");
        assert_eq!(target.userinfo.as_ref().map(|pair| pair.reveal().1.as_str()), Some("s%40ecret"));
        let shown = format!("{target:?}");
        assert!(!shown.contains("ecret") && !shown.contains("hidden"), "{shown}");
    }

    #[test]
    fn a_name_that_is_no_path_is_an_error() {
        assert_eq!(Target::parse("rtsp://h").path, Err(PathError::Empty));
        assert_eq!(Target::parse("rtsp://h/a/../b").path, Err(PathError::Segment));
        assert_eq!(Target::parse("rtsp://h/a%2eb").path, Err(PathError::Character(1)));
        assert_eq!(Target::parse("*").path, Err(PathError::Empty));
    }

    #[test]
    fn bases_hold_neither_secrets_nor_tracks() {
        for url in [
            "rtsp://h:1/a/b",
            "rtsp://h:1/a/b/",
            "rtsp://u:p@h:1/a/b?x=y/trackID=0",
            "rtsp://h:1/a/b/trackID=3",
        ] {
            assert_eq!(content_base(url), "rtsp://h:1/a/b/", "{url}");
        }
    }
}

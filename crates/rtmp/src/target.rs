//! Which stream a client means, from the three places where it can say so.

use media::{PathError, Pii, StreamPath};

/// The stream that a client publishes or plays, and the query that came with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamTarget {
    /// App and key joined, without queries and surplus slashes.
    pub path: Result<StreamPath, PathError>,
    /// All queries, without question marks, joined by `&`: credentials stand here.
    pub query: Pii<String>,
}

impl StreamTarget {
    /// Joins `app` (of `connect`) and `key` (of `publish` or `play`) as MediaMTX does: `rtmp://host/doctorStream` has no
    /// key and means `doctorStream`, `rtmp://host/app/key` means `app/key`, empty segments do not count. The query may
    /// hang on the key (ffmpeg, WeChat), on the app (OBS with a query in its server field) and on `tcUrl`, which usually
    /// repeats the app's.
    pub fn parse(app: &str, tc_url: &str, key: &str) -> Self {
        let (app, app_query) = split_query(app);
        let (key, key_query) = split_query(key);
        let (_, tc_url_query) = split_query(tc_url);
        let segments: Vec<&str> =
            app.split('/').chain(key.split('/')).filter(|segment| !segment.is_empty()).collect();
        let mut query: Vec<&str> = Vec::new();
        for part in [key_query, app_query, tc_url_query].into_iter().flat_map(|query| query.split('&')) {
            if !part.is_empty() && !query.contains(&part) {
                query.push(part);
            }
        }
        Self { path: StreamPath::new(&segments.join("/")), query: Pii(query.join("&")) }
    }
}

/// What is before and behind the first question mark.
fn split_query(text: &str) -> (&str, &str) {
    text.split_once('?').unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn app_and_key_are_joined_as_mediamtx_does() {
        for (app, key, path) in [
            ("doctorStream", "", "doctorStream"),
            ("doctorStream/", "", "doctorStream"),
            ("", "doctorStream", "doctorStream"),
            ("/live/", "/key/", "live/key"),
            ("a/b", "c", "a/b/c"),
            ("live", "ward//3", "live/ward/3"),
        ] {
            let target = StreamTarget::parse(app, "", key);
            assert_eq!(target.path.unwrap().as_str(), path, "{app} {key}");
        }
    }

    #[test]
    fn a_query_is_found_in_each_place_and_named_once() {
        for (app, tc_url, key, query) in [
            ("live", "rtmp://h/live", "k?user=a&pass=b", "user=a&pass=b"),
            ("live?user=a&pass=b", "rtmp://h/live?user=a&pass=b", "k", "user=a&pass=b"),
            ("live", "rtmp://h/live?token=t", "k", "token=t"),
            ("live?b=2", "rtmp://h/live?c=3&a=1", "k?a=1", "a=1&b=2&c=3"),
            ("k?token=t", "rtmp://h/k?token=t", "", "token=t"),
            ("live", "", "k?", ""),
        ] {
            let target = StreamTarget::parse(app, tc_url, key);
            assert_eq!(target.query.reveal(), query);
            assert!(matches!(target.path.unwrap().as_str(), "live/k" | "k"));
        }
    }

    #[test]
    fn a_name_that_is_no_path_is_an_error_that_does_not_repeat_it() {
        assert_eq!(StreamTarget::parse("", "", "").path, Err(PathError::Empty));
        assert_eq!(StreamTarget::parse("live", "", "../x").path, Err(PathError::Segment));
        assert_eq!(StreamTarget::parse("live", "", "a b").path, Err(PathError::Character(6)));
        let shown = format!("{:?}", StreamTarget::parse("live?token=secret", "", "a b"));
        assert!(!shown.contains("secret") && !shown.contains("a b"), "{shown}");
    }
}

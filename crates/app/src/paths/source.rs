//! Streams of other servers, taken again and again.

use std::time::Duration;

use gateway::{rtmp, rtsp};
use hub::Hub;
use media::StreamPath;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::table::Matched;
use crate::config::{PullSource, Scheme, Source};

/// From the end of an attempt to the next one, at first and at most (which is MediaMTX's).
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));
/// A source that gave its stream so long is well: the next attempt is made soon.
const WELL: Duration = Duration::from_secs(30);
/// The same failure is told again after this time: a camera that is off all night must not fill the log.
const TELL_AGAIN: Duration = Duration::from_secs(600);

/// A source that runs; dropping this ends it.
#[derive(Debug)]
pub(super) struct Pulling {
    _stop: DropGuard,
}

/// The URL of a source for one path; `None` if the groups and the query make none.
pub(super) fn resolve(source: &PullSource, found: &Matched, query: &str) -> Option<PullSource> {
    let mut url = source.url.reveal().clone();
    // The highest first: `$G1` is the beginning of `$G10`.
    for (group, number) in found.groups.iter().zip(1_u32..).collect::<Vec<_>>().into_iter().rev() {
        url = url.replace(&format!("$G{number}"), group);
    }
    let url = url.replace("$MTX_QUERY", query);
    match Source::parse(&url) {
        Ok(Source::Pull(made)) => Some(PullSource { fingerprint: source.fingerprint, ..made }),
        Ok(Source::Publisher) | Err(_) => None,
    }
}

/// Feeds `path` with a source, again and again until the result is dropped.
pub(super) fn start(tasks: &TaskTracker, hub: Hub, path: StreamPath, source: PullSource) -> Pulling {
    let stop = CancellationToken::new();
    let keep = keep(hub, path, source);
    let stopped = stop.clone();
    tasks.spawn(async move { stopped.run_until_cancelled(keep).await });
    Pulling { _stop: stop.drop_guard() }
}

async fn keep(hub: Hub, path: StreamPath, source: PullSource) {
    let mut pause = PAUSE.0;
    let mut told: Option<(String, Instant)> = None;
    loop {
        let begun = Instant::now();
        let error = pull(&hub, &path, &source).await;
        if begun.elapsed() >= WELL {
            pause = PAUSE.0;
            told = None;
        }
        let now = Instant::now();
        if told.as_ref().is_none_or(|(last, at)| *last != error || now.duration_since(*at) >= TELL_AGAIN) {
            tracing::warn!(%path, %error, "the source gives no stream; it is asked again");
            told = Some((error, now));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}

/// One attempt; why it ended.
async fn pull(hub: &Hub, path: &StreamPath, source: &PullSource) -> String {
    let PullSource { scheme, url, fingerprint } = source;
    match scheme {
        Scheme::Rtmp | Scheme::Rtmps => {
            let Err(error) = rtmp::pull(hub, path, url, *fingerprint).await;
            error.to_string()
        }
        Scheme::Rtsp | Scheme::Rtsps => {
            let Err(error) = rtsp::pull(hub, path, url, rtsp::Way::Automatic, *fingerprint).await;
            error.to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::paths::table::PathTable;

    #[test]
    fn groups_and_query_are_put_into_the_url() {
        let names: Vec<_> = (1..=11).map(|_| "*").collect();
        let text = format!(
            "[[path]]\nname = \"{}\"\nsource = \"rtmp://h/$G1/$G11-$G10?$MTX_QUERY\"\nsource_on_demand = true\n",
            names.join("/")
        );
        let table = PathTable::new(&Config::parse(&text, None, []).unwrap().paths);
        let found = table.find(&StreamPath::new("a/b/c/d/e/f/g/h/i/j/k").unwrap()).unwrap();
        let Source::Pull(source) = &found.rules.source else { panic!("a URL") };
        let url = |query| resolve(source, &found, query).map(|source| source.url.0);
        assert_eq!(url("x=1").as_deref(), Some("rtmp://h/a/k-j?x=1"));
        assert_eq!(url("x y"), None, "a query that no URL can hold");
    }
}

//! Readers that stop reading and go on, by every protocol over TCP: what they get has gaps and no other damage.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::time::{Duration, Instant};

use container::flv;
use media::{Frame, Kind};
use support::{EVERYBODY_HERE, Running};
use testkit::feed::Feed;
use testkit::pictures::Pictures;
use testkit::stamp::{Stamp, nanos};
use testkit::{flv as http_flv, rtmp, rtsp};

/// Fills what the kernel holds for a reader, up to 36 MB, within two and a half seconds.
const BPS: u32 = 128_000_000;
/// Longer than that and the 2 s which a reader may be late; shorter than the 10 s for which it may take nothing.
const PAUSE: Duration = Duration::from_secs(6);

enum Reader {
    Rtmp(rtmp::Client),
    Flv(http_flv::Client),
    Rtsp(rtsp::Client),
}

impl Reader {
    async fn picture(&mut self) -> Frame {
        loop {
            match self {
                Self::Rtmp(client) => match client.next().await.unwrap() {
                    flv::Event::Frame(frame) if frame.track == flv::VIDEO => return frame,
                    _ => {}
                },
                Self::Flv(client) => match client.next().await.unwrap() {
                    flv::Event::Frame(frame) if frame.track == flv::VIDEO => return frame,
                    _ => {}
                },
                Self::Rtsp(client) => match client.next().await.unwrap() {
                    rtp::receiver::Event::Frame(frame) if client.kind(&frame) == Some(Kind::Video) => {
                        return frame;
                    }
                    _ => {}
                },
            }
        }
    }

    /// Reads with pauses; every picture has to be whole and later than the one before, and behind a gap there has to be a
    /// random access point.
    async fn read_with_pauses(&mut self, pauses: usize) {
        let (mut sizes, mut last, mut gaps) = ([0_usize; 2], None, 0);
        for at in 0..=pauses {
            let begun = Instant::now();
            loop {
                let picture = self.picture().await;
                let stamp = Stamp::of(&picture).unwrap();
                let size = &mut sizes[usize::from(picture.random_access)];
                // Its stamp may need emulation prevention bytes.
                assert!(*size == 0 || size.abs_diff(picture.payload.len()) <= 16, "{size} bytes before");
                *size = picture.payload.len();
                if let Some((number, dts)) = last {
                    assert!(stamp.number > number && picture.dts > dts, "{} after {number}", stamp.number);
                    if stamp.number > number + 1 {
                        gaps += 1;
                        assert!(picture.random_access, "{} after {number}", stamp.number);
                    }
                }
                last = Some((stamp.number, picture.dts));
                let late = Duration::from_nanos(nanos() - stamp.nanos);
                // It is live again, and goes on like that for a while: once more among those who are served together.
                if late < Duration::from_millis(300) && begun.elapsed() > Duration::from_secs(2) {
                    break;
                }
                assert!(begun.elapsed() < Duration::from_secs(30), "{late:?} late");
            }
            if at < pauses {
                tokio::time::sleep(PAUSE).await;
            }
        }
        assert!(gaps >= pauses, "{gaps} gaps");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_that_pause_lose_pictures_and_nothing_else() {
    let server =
        Running::start("pauses.toml", &EVERYBODY_HERE.replace("read =", "publish = [\"*\"]\nread ="));
    let [rtmp_at, http_at, rtsp_at] = ["rtmp", "http", "rtsp"].map(|name| server.address(name).unwrap());
    let feed = Feed::new(Pictures::new(BPS), None, Duration::ZERO);
    let publisher = tokio::spawn(rtmp::publish(rtmp_at, "ward", feed));
    while server.metric("medley_streams") == 0 {
        assert!(!publisher.is_finished());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let readers = [
        Reader::Rtmp(rtmp::Client::play(rtmp_at, "ward").await.unwrap()),
        Reader::Flv(http_flv::Client::play(http_at, "ward").await.unwrap()),
        Reader::Rtsp(rtsp::Client::play(rtsp_at, "ward").await.unwrap()),
    ];
    let reading = readers.map(|mut reader| tokio::spawn(async move { reader.read_with_pauses(2).await }));
    for reader in reading {
        reader.await.unwrap();
    }
    assert_eq!(server.metric("medley_session_panics_total"), 0);
    publisher.abort();
}

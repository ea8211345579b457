//! What readers who are served together are promised, each test named after one promise.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use hub::{Attached, EndReason, Hub, Join, LiveFrame, Options, Publisher, Sink, Subscription, TrackWriter};
use parking_lot::Mutex;
use support::{drain, h264_config, hub, hub_with, opus_config, publish, subscribe, text, write};
use tokio::time::{advance, timeout};

/// Notes what it takes; one that is `full` takes no more after that.
#[derive(Clone, Default)]
struct Notes {
    seen: Arc<Mutex<Vec<String>>>,
    full: Option<&'static str>,
}

impl Notes {
    fn until(full: &'static str) -> Self {
        Self { full: Some(full), ..Self::default() }
    }

    fn take_all(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock())
    }
}

impl Sink for Notes {
    fn take(&mut self, frame: &LiveFrame) -> bool {
        let text = text(frame);
        let goes_on = self.full != Some(&text);
        self.seen.lock().push(text);
        goes_on
    }
}

struct Ward {
    hub: Hub,
    _publisher: Publisher,
    video: TrackWriter,
    sound: TrackWriter,
}

impl Ward {
    async fn open() -> Self {
        Self::of(hub()).await
    }

    async fn of(hub: Hub) -> Self {
        let publisher = publish(&hub, "ward").await;
        let video = publisher.add_track(h264_config(31));
        let sound = publisher.add_track(opus_config());
        write(&video, 0, true);
        Self { hub, _publisher: publisher, video, sound }
    }

    /// A reader that has taken all there is.
    async fn reader(&self) -> Subscription {
        let mut reader = subscribe(&self.hub, "ward", Join::Gop).await;
        assert_eq!(drain(&mut reader), ["H264", "AAC", "0@0"]);
        reader
    }

    async fn attached(&self, notes: &Notes) -> (Subscription, Attached<Notes>) {
        let mut reader = self.reader().await;
        let attached = reader.attach(notes.clone()).unwrap_or_else(|_| panic!("it has caught up"));
        (reader, attached)
    }
}

/// Lets the tasks of the hub run.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

async fn is_dismissed(attached: &Attached<Notes>) -> bool {
    timeout(Duration::ZERO, attached.dismissed()).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn a_reader_gets_the_frames_from_where_it_attached_to_where_it_left() {
    let ward = Ward::open().await;
    let notes = Notes::default();
    let (mut reader, attached) = ward.attached(&notes).await;
    write(&ward.video, 40, false);
    settle().await;
    write(&ward.video, 80, false);
    settle().await;
    assert_eq!(notes.take_all(), ["40@40", "80@80"]);
    write(&ward.video, 120, false);
    reader.detach(attached);
    settle().await;
    write(&ward.video, 160, false);
    settle().await;
    assert_eq!(notes.take_all(), Vec::<String>::new(), "who left gets nothing more");
    assert_eq!(drain(&mut reader), ["120@120", "160@160"], "nothing twice, nothing lost");
}

#[tokio::test(start_paused = true)]
async fn a_reader_gets_its_tracks_only() {
    let ward = Ward::open().await;
    let notes = Notes::default();
    let (_reader, _attached) = ward.attached(&notes).await;
    write(&ward.sound, 20, true);
    settle().await;
    assert_eq!(notes.take_all(), ["aac:20@20"], "the rendition that it takes, not its source");
}

#[tokio::test(start_paused = true)]
async fn who_has_not_caught_up_keeps_its_sink() {
    let ward = Ward::open().await;
    let mut reader = subscribe(&ward.hub, "ward", Join::Gop).await;
    assert!(reader.attach(Notes::default()).is_err(), "its tracks are to be told");
    drain(&mut reader);
    write(&ward.video, 40, false);
    assert!(reader.attach(Notes::default()).is_err(), "a frame is there");
    assert_eq!(drain(&mut reader), ["40@40"]);
    let mut late = subscribe(&ward.hub, "ward", Join::Live).await;
    drain(&mut late);
    assert!(late.attach(Notes::default()).is_err(), "its first picture is to come");
    write(&ward.video, 80, true);
    assert_eq!(drain(&mut late), ["80@80"]);
    assert!(late.attach(Notes::default()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_full_sink_sends_its_own_reader_on_and_no_other() {
    let ward = Ward::open().await;
    let (slow, quick) = (Notes::until("40@40"), Notes::default());
    let (mut slow_reader, slow_attached) = ward.attached(&slow).await;
    let (_reader, quick_attached) = ward.attached(&quick).await;
    write(&ward.video, 40, false);
    write(&ward.video, 80, false);
    settle().await;
    assert!(is_dismissed(&slow_attached).await && !is_dismissed(&quick_attached).await);
    assert_eq!(slow.take_all(), ["40@40"]);
    assert_eq!(quick.take_all(), ["40@40", "80@80"]);
    slow_reader.detach(slow_attached);
    assert_eq!(drain(&mut slow_reader), ["80@80"]);
    assert!(slow_reader.attach(slow.clone()).is_ok(), "it has caught up");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_sink_ends_its_own_session_and_no_other() {
    struct Broken;
    impl Sink for Broken {
        fn take(&mut self, _: &LiveFrame) -> bool {
            panic!("by intention");
        }
    }
    let ward = Ward::open().await;
    let mut broken_reader = ward.reader().await;
    let broken = broken_reader.attach(Broken).unwrap_or_else(|_| panic!("it has caught up"));
    let notes = Notes::default();
    let (_reader, _attached) = ward.attached(&notes).await;
    let session = tokio::spawn(async move {
        broken.dismissed().await;
        broken_reader.detach(broken);
    });
    write(&ward.video, 40, false);
    write(&ward.video, 80, false);
    assert!(session.await.unwrap_err().is_panic());
    settle().await;
    assert_eq!(notes.take_all(), ["40@40", "80@80"]);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_tracks_is_told_by_the_subscription() {
    let ward = Ward::open().await;
    let notes = Notes::default();
    let (mut reader, attached) = ward.attached(&notes).await;
    write(&ward.video, 40, false);
    ward.video.set_config(h264_config(40));
    write(&ward.video, 80, true);
    settle().await;
    assert!(is_dismissed(&attached).await);
    reader.detach(attached);
    let (taken, left) = (notes.take_all(), drain(&mut reader));
    assert_eq!([taken, left].concat(), ["40@40", "H264", "80@80"]);
}

#[tokio::test(start_paused = true)]
async fn the_end_is_told_by_the_subscription_and_nobody_serves_on() {
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let ward = Ward::open().await;
    let notes = Notes::default();
    let (mut reader, attached) = ward.attached(&notes).await;
    drop(ward);
    settle().await;
    advance(Options::default().grace * 2).await;
    settle().await;
    assert!(is_dismissed(&attached).await);
    reader.detach(attached);
    assert_eq!(drain(&mut reader), [format!("end: {}", EndReason::PublisherLeft)]);
    drop(reader);
    settle().await;
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), before);
}

#[tokio::test(start_paused = true)]
async fn who_is_dropped_frees_its_sink_at_once_and_the_last_ends_the_task() {
    let ward = Ward::open().await;
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let notes = Notes::default();
    let readers = [ward.attached(&notes).await, ward.attached(&notes).await];
    assert_eq!(Arc::strong_count(&notes.seen), 3);
    drop(readers);
    assert_eq!(Arc::strong_count(&notes.seen), 1);
    write(&ward.video, 40, false);
    settle().await;
    assert!(tokio::runtime::Handle::current().metrics().num_alive_tasks() <= before);
}

#[tokio::test(start_paused = true)]
async fn all_are_sent_on_when_their_task_is_late() {
    let ward =
        Ward::of(hub_with(Options { queue: Duration::from_millis(500), ..Options::default() }).0).await;
    let notes = Notes::default();
    let (mut reader, attached) = ward.attached(&notes).await;
    // Nothing yields between the two, and the hub goes by its own clock.
    write(&ward.video, 40, false);
    std::thread::sleep(Duration::from_millis(600));
    write(&ward.video, 640, true);
    settle().await;
    assert!(is_dismissed(&attached).await);
    reader.detach(attached);
    assert_eq!(notes.take_all(), Vec::<String>::new());
    assert_eq!(drain(&mut reader), ["gap 1", "640@640"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_misses_a_frame_or_gets_one_twice_however_they_come_and_go() {
    const FRAMES: i64 = 600;
    let ward = Ward::open().await;
    let mut sessions = Vec::new();
    for number in 0..150 {
        let mut reader = ward.reader().await;
        sessions.push(tokio::spawn(async move {
            let (mut seen, last) = (Vec::new(), format!("{FRAMES}@{FRAMES}"));
            while seen.last() != Some(&last) {
                seen.extend(drain(&mut reader));
                let notes = Notes::default();
                if let Ok(attached) = reader.attach(notes.clone()) {
                    let _ = timeout(Duration::from_millis(1 + number % 7), attached.dismissed()).await;
                    reader.detach(attached);
                    seen.extend(notes.take_all());
                }
                // Nobody speaks.
                seen.retain(|frame: &String| !frame.starts_with("silence"));
                tokio::task::yield_now().await;
            }
            seen
        }));
    }
    for at in 1..=FRAMES {
        write(&ward.video, at, at % 50 == 0);
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    let expected: Vec<_> = (1..=FRAMES).map(|at| format!("{at}@{at}")).collect();
    for session in sessions {
        let seen = timeout(Duration::from_secs(30), session).await.unwrap().unwrap();
        assert!(seen == expected, "{} frames", seen.len());
    }
}

//! The hub's promises to publishers and readers, each test named after one.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use hub::{
    Action, Delivery, Denied, EndReason, HubError, Join, Options, PublishRequest, SubscribeRequest, Wants,
};
use media::{Codec, CodecConfig, Pii, Rate, Timestamp};
use support::{access, drain, h264_config, hub, hub_with, opus_config, publish, subscribe, write};
use tokio::time::{advance, timeout};

#[tokio::test(start_paused = true)]
async fn nobody_gets_in_without_permission_and_nothing_is_left_behind() {
    let hub = hub();
    let refused = hub.publish(PublishRequest { access: access(Action::Publish, "street") }).await;
    assert_eq!(refused.err(), Some(HubError::Denied(Denied::NotPermitted)));
    assert!(hub.snapshot().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_a_path_without_publisher_is_told_so() {
    let wants = Wants { video: vec![], audio: vec![] };
    let request = SubscribeRequest { access: access(Action::Read, "ward"), wants, join: Join::Live };
    assert_eq!(hub().subscribe(request).await.err(), Some(HubError::NotFound));
}

#[tokio::test(start_paused = true)]
async fn rule_15_a_late_reader_starts_at_the_gop_squeezed_to_the_live_edge() {
    let hub = hub();
    let publisher = publish(&hub, "ward").await;
    let video = publisher.add_track(h264_config(31));
    for frame in 0..30 {
        write(&video, frame * 33, frame == 0);
    }
    let mut reader = subscribe(&hub, "ward", Join::LiveEdge { spacing: Timestamp::from_millis(1) }).await;
    let seen = drain(&mut reader);
    assert_eq!(seen[..3], ["H264", "0@928", "33@929"]);
    assert_eq!(seen.last().unwrap(), "957@957");
    write(&video, 990, false);
    assert_eq!(drain(&mut reader), ["990@990"]);
}

#[tokio::test(start_paused = true)]
async fn a_gop_reader_keeps_the_old_timestamps() {
    let hub = hub();
    let publisher = publish(&hub, "ward").await;
    let video = publisher.add_track(h264_config(31));
    for frame in 0..3 {
        write(&video, frame * 33, frame == 0);
    }
    let mut reader = subscribe(&hub, "ward", Join::Gop).await;
    assert_eq!(drain(&mut reader), ["H264", "0@0", "33@33", "66@66"]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_without_cached_gop_waits_for_a_random_access_point_and_asks_for_it() {
    let hub = hub();
    let publisher = publish(&hub, "ward").await;
    let video = publisher.add_track(h264_config(31));
    let mut reader = subscribe(&hub, "ward", Join::Live).await;
    timeout(Duration::from_secs(1), publisher.keyframe_requested()).await.expect("the publisher is asked");
    write(&video, 0, false);
    write(&video, 33, true);
    assert_eq!(drain(&mut reader), ["H264", "33@33"]);
}

#[tokio::test(start_paused = true)]
async fn rule_9_keyframe_requests_are_throttled_not_lost() {
    let hub = hub();
    let publisher = publish(&hub, "ward").await;
    let _video = publisher.add_track(h264_config(31));
    let reader = subscribe(&hub, "ward", Join::Live).await;
    publisher.keyframe_requested().await;
    let start = tokio::time::Instant::now();
    for _ in 0..50 {
        reader.request_keyframe();
    }
    publisher.keyframe_requested().await;
    assert!(start.elapsed() <= Duration::from_millis(501), "{:?}", start.elapsed());
    let again = timeout(Duration::from_secs(5), publisher.keyframe_requested()).await;
    assert!(again.is_err(), "fifty requests are one");
}

#[tokio::test]
async fn rule_14_a_slow_reader_skips_to_the_next_random_access_point_and_is_told() {
    let queue = Duration::from_millis(50);
    let (hub, _) = hub_with(Options { queue, gop_cache: queue, ..Options::default() });
    let publisher = publish(&hub, "ward").await;
    let video = publisher.add_track(h264_config(31));
    let mut slow = subscribe(&hub, "ward", Join::Live).await;
    let mut quick = subscribe(&hub, "ward", Join::Live).await;
    write(&video, 0, true);
    assert_eq!(drain(&mut quick), ["H264", "0@0"]);
    for frame in 1..4 {
        write(&video, frame * 33, false);
    }
    assert_eq!(drain(&mut quick).len(), 3);
    std::thread::sleep(queue * 2);
    write(&video, 200, true);
    write(&video, 233, false);
    assert_eq!(drain(&mut slow), ["H264", "gap 4", "200@200", "233@233"]);
    assert_eq!(drain(&mut quick), ["200@200", "233@233"], "the other reader is not disturbed");
}

#[tokio::test(start_paused = true)]
async fn rule_16_readers_stay_when_the_publisher_comes_back_within_the_grace() {
    let hub = hub();
    let publisher = publish(&hub, "ward").await;
    write(&publisher.add_track(h264_config(31)), 500, true);
    let mut reader = subscribe(&hub, "ward", Join::Gop).await;
    assert_eq!(drain(&mut reader), ["H264", "500@0"]);
    drop(publisher);
    advance(Duration::from_secs(3)).await;
    let again = publish(&hub, "ward").await;
    let video = again.add_track(h264_config(40));
    write(&video, 77_000, true);
    let seen = drain(&mut reader);
    assert_eq!(seen[0], "H264", "new parameters are announced");
    assert!(seen[1].starts_with("77000@"), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn readers_are_told_when_the_publisher_does_not_come_back() {
    let hub = hub();
    let publisher = publish(&hub, "ward").await;
    let mut reader = subscribe(&hub, "ward", Join::Live).await;
    drop(publisher);
    let end = timeout(Duration::from_secs(30), reader.recv()).await.unwrap();
    assert!(matches!(end, Delivery::End(EndReason::PublisherLeft)), "{end:?}");
    assert!(hub.snapshot().is_empty());
}

#[tokio::test]
async fn the_hub_tells_as_whom_the_authorizer_knows_somebody() {
    let hub = hub();
    let permit = hub.permit(PublishRequest { access: access(Action::Publish, "ward") }).await.unwrap();
    assert_eq!(permit.user(), Some(&Pii("li".to_owned())));
    let _publisher = permit.admit().unwrap();
    let reader = subscribe(&hub, "ward", Join::Live).await;
    assert_eq!(reader.user(), Some(&Pii("li".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_second_publisher_takes_the_path_over_and_the_first_is_told() {
    let hub = hub();
    let first = publish(&hub, "ward").await;
    let video = first.add_track(h264_config(31));
    let _second = publish(&hub, "ward").await;
    assert_eq!(first.evicted().await, EndReason::Replaced);
    write(&video, 0, true);
    drop(first);
    let stream = &hub.snapshot()[0];
    assert!(
        stream.published_since.is_some() && stream.totals.frames_in == 0,
        "the evicted publisher's writes are void"
    );
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_tells_the_tracks_since_when_and_how_much_went_in_and_out() {
    let hub = hub();
    let before = SystemTime::now();
    let publisher = publish(&hub, "ward").await;
    let video = publisher.add_track(h264_config(31));
    let mut readers = [subscribe(&hub, "ward", Join::Live).await, subscribe(&hub, "ward", Join::Live).await];
    for frame in 10..13 {
        write(&video, frame, frame == 10);
    }
    assert_eq!(drain(&mut readers[0]).len(), 4);
    let stream = || hub.snapshot().remove(0);
    publisher.count_broken(3);
    assert_eq!(stream().totals.frames_broken, 3);
    assert!(stream().available_since.is_some_and(|since| since >= before && since <= SystemTime::now()));
    assert!(stream().published_since.is_some_and(|since| since >= before && since <= SystemTime::now()));
    assert_eq!(stream().tracks[0].info.config, h264_config(31));
    assert_eq!((stream().totals.bytes_in, stream().totals.bytes_out), (6, 6), "one has taken nothing yet");
    drain(&mut readers[1]);
    assert_eq!((stream().totals.bytes_in, stream().totals.bytes_out), (6, 12));
    assert_eq!(hub.totals().bytes_out, 12);
    drop(publisher);
    assert_eq!(stream().published_since, None, "it waits for its publisher");
}

#[tokio::test(start_paused = true)]
async fn rule_17_one_rendition_serves_all_its_readers_and_ends_with_the_last() {
    let (hub, transforms) = hub_with(Options::default());
    let publisher = publish(&hub, "ward").await;
    let audio = publisher.add_track(opus_config());
    assert_eq!(transforms.started.load(Ordering::SeqCst), 0, "nobody reads");
    let mut first = subscribe(&hub, "ward", Join::Live).await;
    let mut second = subscribe(&hub, "ward", Join::Live).await;
    tokio::task::yield_now().await;
    write(&audio, 0, true);
    for reader in [&mut first, &mut second] {
        assert!(matches!(reader.recv().await, Delivery::Track(track) if track.codec() == Codec::Aac));
        let Delivery::Frame(frame) = reader.recv().await else { panic!("a frame") };
        assert_eq!(frame.frame().frame().payload, "aac:0");
    }
    assert_eq!(transforms.started.load(Ordering::SeqCst), 1);
    drop(first);
    tokio::task::yield_now().await;
    assert_eq!(transforms.running.load(Ordering::SeqCst), 1);
    drop(second);
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(transforms.running.load(Ordering::SeqCst), 0, "nothing runs for nobody");
}

#[tokio::test(start_paused = true)]
async fn rule_13_a_late_track_reaches_readers_who_are_there() {
    let hub = hub();
    let publisher = publish(&hub, "ward").await;
    let video = publisher.add_track(h264_config(31));
    write(&video, 0, true);
    let mut reader = subscribe(&hub, "ward", Join::Gop).await;
    assert_eq!(drain(&mut reader), ["H264", "0@0"]);
    let audio = publisher.add_track(CodecConfig::Aac(media::aac::AudioConfig::lc(Rate::OPUS, 1).unwrap()));
    write(&audio, 20, true);
    assert_eq!(drain(&mut reader), ["AAC", "20@20"]);
}

#[tokio::test(start_paused = true)]
async fn closing_the_hub_tells_everybody_and_admits_nobody() {
    let hub = hub();
    let publisher = publish(&hub, "ward").await;
    let mut reader = subscribe(&hub, "ward", Join::Live).await;
    hub.close();
    assert_eq!(publisher.evicted().await, EndReason::ServerClosing);
    assert!(matches!(reader.recv().await, Delivery::End(EndReason::ServerClosing)));
    let refused = hub.publish(PublishRequest { access: access(Action::Publish, "ward") }).await;
    assert_eq!(refused.err(), Some(HubError::Closing));
}

#[tokio::test(start_paused = true)]
async fn a_wire_form_is_built_once_for_all_readers() {
    let hub = hub();
    let publisher = publish(&hub, "ward").await;
    let video = publisher.add_track(h264_config(31));
    write(&video, 0, true);
    let built = AtomicUsize::new(0);
    for _ in 0..3 {
        let mut reader = subscribe(&hub, "ward", Join::Gop).await;
        let _track = reader.recv().await;
        let Delivery::Frame(frame) = reader.recv().await else { panic!("a frame") };
        let form = frame.frame().wire_form(|frame, _| {
            built.fetch_add(1, Ordering::SeqCst);
            frame.payload.len()
        });
        assert_eq!(*form, 1);
    }
    assert_eq!(built.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn the_number_of_streams_and_readers_is_bounded() {
    let (hub, _) = hub_with(Options { max_streams: 1, max_readers: 1, ..Options::default() });
    let _publisher = publish(&hub, "ward").await;
    let second = hub.publish(PublishRequest { access: access(Action::Publish, "ward2") }).await;
    assert_eq!(second.err(), Some(HubError::TooManyStreams(1)));
    let reader = subscribe(&hub, "ward", Join::Live).await;
    let wants = Wants { video: vec![], audio: vec![] };
    let request = SubscribeRequest { access: access(Action::Read, "ward"), wants, join: Join::Live };
    assert_eq!(hub.subscribe(request.clone()).await.err(), Some(HubError::TooManyReaders(1)));
    drop(reader);
    assert!(hub.subscribe(request).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_permit_to_read_takes_nothing_until_it_is_used() {
    let hub = hub();
    let permit = hub.permit_read(access(Action::Read, "ward")).await.unwrap();
    assert_eq!(permit.user(), Some(&Pii("li".to_owned())));
    let wants = || Wants { video: vec![Codec::H264], audio: vec![] };
    assert_eq!(permit.admit(wants(), Join::Gop).await.unwrap_err(), HubError::NotFound);
    let publisher = publish(&hub, "ward").await;
    let video = publisher.add_track(h264_config(31));
    write(&video, 0, true);
    let own = hub.permit_own_read(permit.path().clone());
    for permit in [permit, own] {
        let mut reader = permit.admit(wants(), Join::Gop).await.unwrap();
        assert_eq!(drain(&mut reader), ["H264", "0@0"]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_longest_of_the_last_gops_is_known() {
    let hub = hub();
    let publisher = publish(&hub, "ward").await;
    let video = publisher.add_track(h264_config(31));
    let reader = subscribe(&hub, "ward", Join::Live).await;
    for (at, gop) in [(0, None), (2_000, None), (2_300, Some(2_000)), (4_400, Some(2_100))] {
        advance(Duration::from_millis(10)).await;
        write(&video, at, true);
        assert_eq!(reader.gop(), gop.map(Duration::from_millis), "{at}");
    }
}

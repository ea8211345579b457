//! What the hub promises of paths that are special, and what it tells of all.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hub::{
    AccessRequest, Action, Authorizer, Credentials, Delivery, Denied, EndReason, Hub, HubError, Join,
    Options, PathPolicy, Paths, Protocol, PublishRequest, Publisher, SubscribeRequest, Subscription,
    Transform, TransformError, TransformFactory, UserName, Wants,
};
use media::{Codec, CodecConfig, Pii, StreamPath, TrackId, TrackInfo, opus};
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;

#[derive(Debug)]
struct NoTransforms;

impl TransformFactory for NoTransforms {
    fn supports(&self, _: Codec, _: Codec) -> bool {
        false
    }

    fn create(&self, _: &TrackInfo, _: Codec, _: TrackId) -> Result<Box<dyn Transform>, TransformError> {
        unreachable!("nothing is supported")
    }
}

#[derive(Debug)]
struct AllButTheStreet;

impl Authorizer for AllButTheStreet {
    fn authorize<'a>(
        &'a self,
        request: &'a AccessRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Option<UserName>, Denied>> + Send + 'a>> {
        let allowed = request.path.as_str() != "street";
        Box::pin(async move { if allowed { Ok(None) } else { Err(Denied::NotPermitted) } })
    }
}

/// `camera` is fed by the process, `ward` keeps its publisher, `cell` has room for one reader, `far` and `street` can be
/// sent for. Notes what it is told.
#[derive(Debug, Default)]
struct Clinic(Mutex<Vec<String>>);

impl Clinic {
    fn note(&self, what: &str, path: &StreamPath) {
        self.0.lock().push(format!("{what} {path}"));
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock())
    }
}

impl Paths for Clinic {
    fn policy(&self, path: &StreamPath) -> PathPolicy {
        let policy = PathPolicy::default();
        match path.as_str() {
            "camera" => PathPolicy { fed_here: true, ..policy },
            "ward" => PathPolicy { override_publisher: false, ..policy },
            "cell" => PathPolicy { max_readers: Some(1), ..policy },
            _ => policy,
        }
    }

    fn wanted(&self, request: &AccessRequest) -> Option<Duration> {
        self.note("wanted", &request.path);
        matches!(request.path.as_str(), "far" | "street").then_some(Duration::from_secs(10))
    }

    fn available(&self, path: &StreamPath) {
        self.note("available", path);
    }

    fn unavailable(&self, path: &StreamPath) {
        self.note("unavailable", path);
    }

    fn abandoned(&self, path: &StreamPath) {
        self.note("abandoned", path);
    }
}

fn clinic(options: Options) -> (Hub, Arc<Clinic>) {
    let paths = Arc::new(Clinic::default());
    (
        Hub::with_paths(options, Arc::new(NoTransforms), Arc::new(AllButTheStreet), Arc::clone(&paths) as _),
        paths,
    )
}

fn path(name: &str) -> StreamPath {
    StreamPath::new(name).unwrap()
}

fn access(action: Action, name: &str) -> AccessRequest {
    AccessRequest {
        action,
        path: path(name),
        remote: Pii(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        credentials: Credentials::default(),
        protocol: Protocol::Internal,
    }
}

async fn publish(hub: &Hub, name: &str) -> Result<Publisher, HubError> {
    hub.publish(PublishRequest { access: access(Action::Publish, name) }).await
}

async fn subscribe(hub: &Hub, name: &str) -> Result<Subscription, HubError> {
    let wants = Wants { video: vec![], audio: vec![Codec::Opus] };
    hub.subscribe(SubscribeRequest { access: access(Action::Read, name), wants, join: Join::Live }).await
}

/// A reader that waits.
async fn waiting(hub: &Hub, name: &'static str) -> JoinHandle<Result<Subscription, HubError>> {
    let hub = hub.clone();
    let reader = tokio::spawn(async move { subscribe(&hub, name).await });
    for _ in 0..5 {
        tokio::task::yield_now().await;
    }
    reader
}

const SOUND: CodecConfig = CodecConfig::Opus(opus::Head { channels: 2 });

#[tokio::test(start_paused = true)]
async fn a_reader_waits_for_a_stream_that_was_sent_for_until_it_can_be_read() {
    let (hub, paths) = clinic(Options::default());
    let reader = waiting(&hub, "far").await;
    let publisher = publish(&hub, "far").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!reader.is_finished(), "no track, no picture");
    publisher.add_track(SOUND);
    let mut reader = reader.await.unwrap().unwrap();
    assert!(matches!(reader.recv().await, Delivery::Track(_)));
    assert_eq!(hub.readers(&path("far")), 1);
    assert_eq!(paths.told(), ["wanted far", "available far"]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_is_told_that_nobody_publishes() {
    let (hub, _) = clinic(Options::default());
    let begun = Instant::now();
    assert_eq!(subscribe(&hub, "far").await.unwrap_err(), HubError::NotFound);
    assert_eq!(begun.elapsed(), Duration::from_secs(10));
    assert_eq!(subscribe(&hub, "near").await.unwrap_err(), HubError::NotFound);
    assert_eq!(begun.elapsed(), Duration::from_secs(10), "nobody can be sent for it");
}

#[tokio::test(start_paused = true)]
async fn who_may_not_read_sends_for_nothing() {
    let (hub, paths) = clinic(Options::default());
    assert_eq!(subscribe(&hub, "street").await.unwrap_err(), HubError::Denied(Denied::NotPermitted));
    assert!(paths.told().is_empty());
}

#[tokio::test(start_paused = true)]
async fn no_more_wait_than_may_read_and_all_of_them_are_told_when_the_hub_closes() {
    let (hub, _) = clinic(Options { max_readers: 2, ..Options::default() });
    let readers = [waiting(&hub, "far").await, waiting(&hub, "far").await];
    assert_eq!(subscribe(&hub, "far").await.unwrap_err(), HubError::TooManyReaders(2));
    hub.close();
    for reader in readers {
        assert_eq!(reader.await.unwrap().unwrap_err(), HubError::Closing);
    }
}

#[tokio::test(start_paused = true)]
async fn a_path_may_keep_its_publisher() {
    let (hub, _) = clinic(Options::default());
    let request = || PublishRequest { access: access(Action::Publish, "ward") };
    let early = hub.permit(request()).await.unwrap();
    let first = publish(&hub, "ward").await.unwrap();
    assert_eq!(publish(&hub, "ward").await.unwrap_err(), HubError::Taken);
    assert_eq!(early.admit().unwrap_err(), HubError::Taken, "who was permitted before the first came");
    first.add_track(SOUND);
    let _reader = subscribe(&hub, "ward").await.unwrap();
    drop(first);
    publish(&hub, "ward").await.expect("its place is free while its readers wait");
}

#[tokio::test(start_paused = true)]
async fn a_path_that_the_process_feeds_has_no_other_publisher() {
    let (hub, paths) = clinic(Options::default());
    assert_eq!(publish(&hub, "camera").await.unwrap_err(), HubError::FedHere);
    let first = hub.feed(&path("camera")).unwrap();
    first.add_track(SOUND);
    let _again = hub.feed(&path("camera")).unwrap();
    assert_eq!(first.evicted().await, EndReason::Replaced);
    assert_eq!(paths.told(), ["available camera"]);
}

#[tokio::test(start_paused = true)]
async fn a_path_may_have_fewer_readers_than_others() {
    let (hub, _) = clinic(Options::default());
    let _publisher = publish(&hub, "cell").await.unwrap();
    let _one = subscribe(&hub, "cell").await.unwrap();
    assert_eq!(subscribe(&hub, "cell").await.unwrap_err(), HubError::TooManyReaders(1));
}

#[tokio::test(start_paused = true)]
async fn what_becomes_of_a_stream_is_told_in_order() {
    let (hub, paths) = clinic(Options::default());
    let publisher = publish(&hub, "room").await.unwrap();
    assert!(paths.told().is_empty());
    publisher.add_track(SOUND);
    publisher.add_track(SOUND);
    let one = subscribe(&hub, "room").await.unwrap();
    let two = subscribe(&hub, "room").await.unwrap();
    drop(one);
    drop(publisher);
    let publisher = publish(&hub, "room").await.unwrap();
    publisher.add_track(SOUND);
    assert_eq!(paths.told(), ["available room"], "somebody reads, and the publisher came back in time");
    drop(two);
    drop(publisher);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(paths.told(), ["abandoned room", "unavailable room"]);
    let silent = publish(&hub, "room").await.unwrap();
    drop(silent);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(paths.told().is_empty(), "it never had a track");
}

//! A hub whose renditions are made by a prefix, and what its readers get, as text.
#![allow(dead_code, unreachable_pub, reason = "each suite takes what it needs")]

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use hub::{
    AccessRequest, Action, Authorizer, Credentials, Delivery, Denied, Hub, Join, LiveFrame, Options,
    Protocol, PublishRequest, Publisher, SubscribeRequest, Subscription, TrackWriter, Transform,
    TransformError, TransformFactory, UserName, Wants,
};
use media::{Codec, CodecConfig, Frame, Pii, Rate, StreamPath, Timestamp, TrackId, TrackInfo, h264, opus};

#[derive(Debug)]
pub struct ReadersOf(&'static str);

impl Authorizer for ReadersOf {
    fn authorize<'a>(
        &'a self,
        request: &'a AccessRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Option<UserName>, Denied>> + Send + 'a>> {
        let allowed = request.path.as_str().starts_with(self.0);
        Box::pin(
            async move { if allowed { Ok(Some(Pii("li".to_owned()))) } else { Err(Denied::NotPermitted) } },
        )
    }
}

/// "Encodes" by prefixing the payload; counts how many run.
#[derive(Debug, Default)]
pub struct Prefixing {
    pub running: Arc<AtomicUsize>,
    pub started: Arc<AtomicUsize>,
}

pub struct Prefixer {
    output: TrackInfo,
    running: Arc<AtomicUsize>,
}

impl TransformFactory for Prefixing {
    fn supports(&self, from: Codec, to: Codec) -> bool {
        (from, to) == (Codec::Opus, Codec::Aac)
    }

    fn create(&self, _: &TrackInfo, _: Codec, id: TrackId) -> Result<Box<dyn Transform>, TransformError> {
        self.running.fetch_add(1, Ordering::SeqCst);
        self.started.fetch_add(1, Ordering::SeqCst);
        let config = media::aac::AudioConfig::lc(Rate::OPUS, 1).unwrap();
        let output = TrackInfo { id, config: CodecConfig::Aac(config) };
        Ok(Box::new(Prefixer { output, running: Arc::clone(&self.running) }))
    }
}

impl Transform for Prefixer {
    fn output(&self) -> TrackInfo {
        self.output.clone()
    }

    fn reconfigure(&mut self, _: &TrackInfo) -> Result<(), TransformError> {
        Ok(())
    }

    fn push(&mut self, frame: &Frame, out: &mut Vec<Frame>) {
        let payload = [b"aac:", &frame.payload[..]].concat().into();
        out.push(Frame { track: self.output.id, payload, ..frame.clone() });
    }

    fn silence_until(&mut self, until: Timestamp, out: &mut Vec<Frame>) {
        let payload = Bytes::from_static(b"silence");
        out.push(Frame { track: self.output.id, pts: until, dts: until, random_access: true, payload });
    }
}

impl Drop for Prefixer {
    fn drop(&mut self) {
        self.running.fetch_sub(1, Ordering::SeqCst);
    }
}

pub fn access(action: Action, path: &str) -> AccessRequest {
    AccessRequest {
        action,
        path: StreamPath::new(path).unwrap(),
        remote: Pii(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        credentials: Credentials::default(),
        protocol: Protocol::Internal,
    }
}

pub fn hub_with(options: Options) -> (Hub, Arc<Prefixing>) {
    let transforms = Arc::new(Prefixing::default());
    (Hub::new(options, Arc::clone(&transforms) as _, Arc::new(ReadersOf("ward"))), transforms)
}

pub fn hub() -> Hub {
    hub_with(Options::default()).0
}

pub async fn publish(hub: &Hub, path: &str) -> Publisher {
    hub.publish(PublishRequest { access: access(Action::Publish, path) }).await.unwrap()
}

pub async fn subscribe(hub: &Hub, path: &str, join: Join) -> Subscription {
    let wants = Wants { video: vec![Codec::H264], audio: vec![Codec::Aac] };
    hub.subscribe(SubscribeRequest { access: access(Action::Read, path), wants, join }).await.unwrap()
}

pub fn h264_config(level: u8) -> CodecConfig {
    let sps = vec![Bytes::from(vec![0x67, 0x42, 0xe0, level])];
    CodecConfig::H264(h264::ParameterSets { sps, pps: vec![Bytes::from_static(&[0x68, 0xce])] })
}

pub fn opus_config() -> CodecConfig {
    CodecConfig::Opus(opus::Head { channels: 2 })
}

pub fn write(track: &TrackWriter, millis: i64, random_access: bool) {
    let at = Timestamp::from_millis(millis).to_rate(Rate::VIDEO);
    let payload = Bytes::from(millis.to_string());
    track.write(Frame { track: TrackId(0), pts: at, dts: at, random_access, payload });
}

/// A frame as `payload@dts`.
pub fn text(frame: &LiveFrame) -> String {
    let payload = String::from_utf8_lossy(&frame.frame().frame().payload).into_owned();
    format!("{payload}@{}", frame.dts().as_millis())
}

/// What is there now: tracks as their codec, frames as [`text`].
pub fn drain(subscription: &mut Subscription) -> Vec<String> {
    let shown = |delivery| match delivery {
        Delivery::Track(track) => track.codec().to_string(),
        Delivery::Frame(frame) => text(&frame),
        Delivery::Gap { frames } => format!("gap {frames}"),
        Delivery::End(reason) => format!("end: {reason}"),
    };
    let mut seen = Vec::new();
    while let Some(delivery) = subscription.try_recv() {
        let is_end = matches!(delivery, Delivery::End(_));
        seen.push(shown(delivery));
        if is_end {
            break;
        }
    }
    seen
}

//! HTTP-FLV and WebSocket-FLV: `/{path}.flv`, what WeChat's live-player, mpegts.js and ffmpeg play.

pub(crate) mod egress;
pub(crate) mod metadata;
mod reader;
mod routes;
mod session;
mod tags;
mod websocket;

use std::time::Duration;

use hub::{Action, Hub, HubError, Protocol, SubscribeRequest};
use media::StreamPath;

use crate::request::{Caller, Origins};
use crate::sessions::{SessionKind, Sessions};
use reader::Reader;
use tags::Tags;

pub use routes::layer;

/// How long a reader may take nothing at all; as long as one by RTMP may.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// The HTTP-FLV gateway.
#[derive(Debug)]
pub struct Flv {
    hub: Hub,
    sessions: Sessions,
    origins: Origins,
}

impl Flv {
    /// A gateway whose streams pages of `origins` may read.
    pub const fn new(hub: Hub, sessions: Sessions, origins: Origins) -> Self {
        Self { hub, sessions, origins }
    }

    /// Admits a reader that takes the file as `tags`.
    async fn open(&self, caller: Caller, path: StreamPath, tags: Tags) -> Result<Reader, HubError> {
        let access = caller.access(Action::Read, path.clone(), Protocol::Flv);
        let request = SubscribeRequest { access, wants: Tags::wants(), join: egress::JOIN };
        match self.hub.subscribe(request).await {
            Ok(subscription) => {
                let (activity, user) = ((Action::Read, path.clone()), subscription.user().cloned());
                let entry = caller.enter(&self.sessions, SessionKind::Flv, activity, user);
                Ok(Reader::new(subscription, tags, path, self.sessions.clone(), entry))
            }
            Err(error) => {
                self.sessions.turned_away(error);
                tracing::info!(%path, %error, "FLV: refused");
                Err(error)
            }
        }
    }
}

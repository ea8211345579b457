//! HTTP-FLV and WebSocket-FLV: `/{path}.flv`, what WeChat's live-player, mpegts.js and ffmpeg play.

pub(crate) mod egress;
mod reader;
mod routes;
mod tags;

use hub::{AccessRequest, Action, Hub, HubError, Protocol, SubscribeRequest};

use crate::request::Origins;
use crate::sessions::Sessions;
use reader::Reader;
use tags::Tags;

pub use routes::layer;

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

    /// Admits a reader.
    async fn open(&self, access: AccessRequest) -> Result<Reader, HubError> {
        let path = access.path.clone();
        let request = SubscribeRequest { access, wants: Tags::wants(), join: egress::JOIN };
        match self.hub.subscribe(request).await {
            Ok(subscription) => {
                let entry = self.sessions.enter(Protocol::Flv, Action::Read, path);
                Ok(Reader::new(subscription, self.sessions.clone(), entry))
            }
            Err(error) => {
                self.sessions.turned_away(error);
                tracing::info!(%path, %error, "FLV: refused");
                Err(error)
            }
        }
    }
}

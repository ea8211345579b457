//! The patient's phone: publishes the clip over real RTMP, in real time and without end.

use std::net::SocketAddr;
use std::time::Duration;

use gateway::rtmp::{Client, ClientError};
use hub::Hub;
use tokio::time::Instant;

use super::clip::Clip;
use super::{BACK_OFF, PATIENT};

/// Later than this (a laptop slept), the clip is not caught up with but goes on from now.
const LATE: Duration = Duration::from_secs(1);

/// Publishes `clip` to the server at `server`, again after each failure, until it is dropped. `hub` is that server's.
///
/// It gives way: whoever publishes to the patient's stream, such as a real phone, takes it over, and keeps it for as
/// long as they like.
pub(super) async fn run(server: SocketAddr, hub: Hub, clip: Clip) {
    let taken = || {
        hub.snapshot()
            .iter()
            .any(|stream| stream.path.as_str() == PATIENT && stream.published_since.is_some())
    };
    loop {
        while taken() {
            tokio::time::sleep(BACK_OFF).await;
        }
        if let Err(error) = publish(server, &clip).await {
            tracing::warn!(%error, "demo: the patient's stream broke off; trying again");
        }
        tokio::time::sleep(BACK_OFF).await;
    }
}

async fn publish(server: SocketAddr, clip: &Clip) -> Result<(), ClientError> {
    let mut client = Client::publish(server, PATIENT).await?;
    client.send_tracks(clip.tracks())?;
    let mut start = Instant::now();
    for (track, frame) in clip.looped() {
        let after = frame.dts.to_duration().unwrap_or_default();
        if start.elapsed() > after + LATE {
            start = Instant::now() - after;
        }
        while let Some(event) = wait(&mut client, start + after).await {
            event?;
        }
        client.send_frame(track, &frame)?;
    }
    Ok(())
}

/// Serves the connection until `due`; `None` then.
async fn wait(client: &mut Client, due: Instant) -> Option<Result<(), ClientError>> {
    tokio::select! {
        // First, so that a frame is written before the next one is due.
        biased;
        event = client.next() => Some(event.map(drop)),
        () = tokio::time::sleep_until(due) => None,
    }
}

//! A publisher without an encoder: pictures and sound that nobody decodes.

use std::time::Duration;

use bytes::Bytes;
use gateway::rtmp::Client;
use media::h264::{ParameterSets, avcc};
use media::{CodecConfig, Frame, Kind, Timestamp, TrackInfo};

use super::Running;

/// 640x480, Baseline.
fn video() -> TrackInfo {
    let sps = [0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40, 0x50, 0x1e, 0x90, 0x0f, 0x08, 0x84, 0x6a];
    let sets = ParameterSets {
        sps: vec![Bytes::copy_from_slice(&sps)],
        pps: vec![Bytes::from_static(&[0x68, 0xce, 0x3c, 0x80])],
    };
    TrackInfo { id: container::flv::VIDEO, config: CodecConfig::H264(sets) }
}

fn frame(track: &TrackInfo, number: i64) -> Frame {
    let dts = Timestamp::from_millis(number * 20);
    let payload = match track.kind() {
        Kind::Video => avcc::write([&[0x65, 0x88, 0x84][..]]),
        Kind::Audio => Bytes::from_static(&[0xd5; 160]),
    };
    Frame { track: track.id, pts: dts, dts, random_access: true, payload }
}

/// A publisher who sends by RTMP until it is dropped.
#[derive(Debug)]
pub(crate) struct Feed(tokio::task::JoinHandle<()>);

impl Feed {
    pub(crate) async fn start(server: &Running, path: &str) -> Self {
        Self::of(server, path, vec![video()]).await
    }

    /// With sound.
    pub(crate) async fn with_sound(server: &Running, path: &str, config: CodecConfig) -> Self {
        Self::of(server, path, vec![video(), TrackInfo { id: container::flv::AUDIO, config }]).await
    }

    async fn of(server: &Running, path: &str, tracks: Vec<TrackInfo>) -> Self {
        let mut client = Client::publish(server.address("rtmp").unwrap(), path).await.unwrap();
        client.send_tracks(&tracks).unwrap();
        Self(tokio::spawn(async move {
            for number in 0.. {
                for track in &tracks {
                    client.send_frame(track, &frame(track, number)).unwrap();
                }
                match tokio::time::timeout(Duration::from_millis(20), client.next()).await {
                    Err(_due) => {}
                    Ok(Ok(_)) => unreachable!("a publisher is given nothing"),
                    Ok(Err(_ended)) => return,
                }
            }
        }))
    }

    /// Waits until the server ends it.
    pub(crate) async fn ended(mut self) {
        (&mut self.0).await.unwrap();
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.0.abort();
    }
}

//! The simulated patient of `medley demo`: publishes a clip, plays the doctor, and tells what arrives. Both ends go
//! through real RTMP connections to this process.
//!
//! | module | what it does |
//! |---|---|
//! | [`clip`] | reads the file and loops it |
//! | `patient` | publishes it to `patientStream` |
//! | `monitor` | plays `doctorStream`, measures what arrives |
//! | `window` | the last second of it in figures |

pub mod clip;
mod monitor;
mod patient;
mod window;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::http::header;
use axum::routing::get;
use tokio_util::sync::CancellationToken;

use crate::server::Server;
use clip::Clip;
use monitor::Monitor;

/// What the doctor publishes, named as in the system that Medley replaces.
pub const DOCTOR: &str = "doctorStream";
/// What the patient publishes.
pub const PATIENT: &str = "patientStream";

/// From a failed connection to the next attempt.
const BACK_OFF: Duration = Duration::from_secs(1);

/// Lets the patient live from now until `shutdown`; gives the route that tells what arrives at its end:
/// `GET /demo/patient`, JSON for `web/src/api/demo.ts`, open to whoever reaches the listener.
///
/// # Errors
/// If the server does not listen for RTMP. Call it within a tokio runtime.
pub fn start(clip: Clip, server: &Server, shutdown: &CancellationToken) -> anyhow::Result<Router> {
    let address = server.address("rtmp").context("the patient needs listen.rtmp, which is off")?;
    let address = from_here(address);
    let monitor = Monitor::default();
    let reader = monitor.clone().run(address, server.hub().clone());
    let publisher = patient::run(address, server.hub().clone(), clip);
    tokio::spawn(shutdown.clone().run_until_cancelled_owned(publisher));
    tokio::spawn(shutdown.clone().run_until_cancelled_owned(reader));
    Ok(routes(monitor))
}

fn routes(monitor: Monitor) -> Router {
    let answer = move || {
        let body = monitor.figures().to_json().to_string();
        let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
        std::future::ready((headers, body))
    };
    Router::new().route("/demo/patient", get(answer))
}

/// Where this machine reaches a listener on `address`.
pub fn from_here(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::{Request, StatusCode};
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn the_route_answers_fresh_json() {
        let request = Request::get("/demo/patient").body(Body::empty()).unwrap();
        let answer = routes(Monitor::default()).oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/json");
        let body = to_bytes(answer.into_body(), 1024).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["connected"], false);
        assert!(body["video_fps"].is_null());
    }

    #[test]
    fn an_unspecified_address_is_reached_by_loopback() {
        for (bound, reached) in [
            ("0.0.0.0:1935", "127.0.0.1:1935"),
            ("[::]:1935", "[::1]:1935"),
            ("192.168.0.2:80", "192.168.0.2:80"),
        ] {
            assert_eq!(from_here(bound.parse().unwrap()), reached.parse().unwrap());
        }
    }
}

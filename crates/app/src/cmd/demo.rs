//! `medley demo`: a server that needs no configuration and opens nothing but the demo's two streams, with a simulated
//! patient.

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use anyhow::Context as _;
use axum::Router;

use crate::config::{Config, ConfigError};
use crate::demo::clip::Clip;
use crate::demo::{self, DOCTOR, PATIENT};
use crate::server::Server;

/// Run a server with the demo's two streams and no other, and a simulated patient.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Address to listen on. Anything but loopback lets everybody who can reach it take part.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    /// The simulated patient: an FLV file with H.264 and AAC, played in a loop. Without it there is no patient.
    #[arg(long, value_name = "FILE")]
    clip: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let clip = args.clip.as_deref().map(Clip::load).transpose()?;
    let config = config(args.listen, super::environment())?;
    super::serve_until_signal(&config, |server, shutdown| {
        let welcome = welcome(server, clip.is_some())?;
        let routes = match clip {
            Some(clip) => demo::start(clip, server, shutdown)?,
            None => Router::new(),
        };
        // Whoever has closed standard output does not want it.
        let _ = io::stdout().write_all(welcome.as_bytes());
        Ok(routes)
    })
}

/// What is said once the sockets are bound: first of all, where to go.
fn welcome(server: &Server, patient: bool) -> anyhow::Result<String> {
    let page = server.address("http").or_else(|| server.address("webrtc"));
    let page = demo::from_here(page.context("the demo needs listen.http, which is off")?);
    let mut text = format!("You are the doctor: open http://{page}/ in a browser.\n");
    match server.address("rtmp").map(demo::from_here) {
        _ if patient => text.push_str("The patient is simulated: a clip in a loop, over RTMP.\n"),
        Some(rtmp) => text.push_str(&format!(
            "There is no patient: give it a clip (--clip FILE.flv), or publish to rtmp://{rtmp}/{PATIENT}\n"
        )),
        None => text.push_str("There is no patient, and RTMP is off.\n"),
    }
    text.push_str("Ctrl+C ends it.\n");
    Ok(text)
}

/// The demo's configuration on `listen`: its two streams, open to loopback, or to everybody when `listen` is not
/// loopback. The environment goes over it, so that a taken port can be moved.
///
/// # Errors
/// What is wrong with the environment.
fn config(
    listen: IpAddr,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Config, ConfigError> {
    let host = match listen {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    // Unspecified: the addresses of the interfaces are found out.
    let public = if listen.is_unspecified() { String::new() } else { format!("\"{listen}\"") };
    let networks = if listen.is_loopback() { r#""127.0.0.0/8", "::1""# } else { r#""0.0.0.0/0", "::/0""# };
    let text = format!(
        r#"
        public_hosts = [{public}]
        [listen]
        http = "{host}:8080"
        webrtc = "{host}:8889"
        ice = "{host}:8189"
        rtmp = "{host}:1935"
        rtsp = "{host}:8554"
        rtp = "{host}:8000"
        rtcp = "{host}:8001"
        hls = "{host}:8888"
        [[auth.user]]
        name = "any"
        networks = [{networks}]
        publish = ["{DOCTOR}", "{PATIENT}"]
        read = ["{DOCTOR}", "{PATIENT}"]
        api = {api}
        "#,
        api = listen.is_loopback(),
    );
    Ok(Config::parse(&text, Some("demo".to_owned()), environment)?)
}

#[cfg(test)]
mod tests {
    use media::StreamPath;

    use super::*;

    #[test]
    fn the_demo_opens_its_two_streams_on_loopback() {
        let config = config(Ipv4Addr::LOCALHOST.into(), []).unwrap();
        let open = config.listen.listeners().into_iter().filter_map(|listener| listener.address);
        assert!(open.clone().all(|address| address.ip().is_loopback()));
        assert_eq!(open.count(), 8);
        let [user] = config.users.as_slice() else { panic!("one door") };
        for (path, may) in [(DOCTOR, true), (PATIENT, true), ("other", false), ("doctorStream2", false)] {
            let path = StreamPath::new(path).unwrap();
            assert_eq!((user.may_publish(&path), user.may_read(&path)), (may, may), "{path}");
        }
        assert!(user.covers([127, 0, 0, 1].into()) && !user.covers([192, 168, 0, 2].into()));
        assert!(config.warnings().is_empty());
    }

    #[test]
    fn another_address_opens_it_to_who_can_reach_it_and_says_so() {
        for address in ["192.168.0.1", "0.0.0.0", "::"] {
            let config = config(address.parse().unwrap(), []).unwrap();
            assert_eq!(config.listen.http.unwrap().ip().to_string(), address);
            assert!(config.users[0].covers([192, 168, 0, 2].into()) && !config.users[0].api);
            assert_eq!(config.warnings().len(), 2, "{:?}", config.warnings());
        }
    }

    #[test]
    fn a_taken_port_can_be_moved_by_the_environment() {
        let environment = [("MEDLEY_LISTEN_HTTP".into(), "127.0.0.1:9090".into())];
        let config = config(Ipv4Addr::LOCALHOST.into(), environment).unwrap();
        assert_eq!(config.listen.http.unwrap().port(), 9090);
    }
}

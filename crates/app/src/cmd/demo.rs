//! `medley demo`: a server that needs no configuration and opens nothing but the demo's two streams.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};

use crate::config::{Config, ConfigError};

/// What the doctor publishes, named as in the system that Medley replaces.
const DOCTOR: &str = "doctorStream";
/// What the patient publishes.
const PATIENT: &str = "patientStream";

/// Run a server with the demo's two streams and no other.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Address to listen on. Anything but loopback lets everybody who can reach it take part.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    super::serve_until_signal(config(args.listen, super::environment())?)
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
        assert_eq!(open.count(), 4);
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

//! TLS on the real binary: pages, WHIP, RTMPS and RTSPS, servers that are asked for their streams, certificates that change, and clients that speak something else.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD as STANDARD, Engine as _};
use rcgen::{CertificateParams, KeyPair};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use sha2::{Digest, Sha256};
use support::{EVERYBODY_HERE, Running};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

type Connection = TlsStream<tokio::net::TcpStream>;

/// A certificate for this machine, as PEM.
struct Certificate {
    certificate: String,
    key: String,
}

impl Certificate {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            certificate: pem("CERTIFICATE", certificate.der()),
            key: pem("PRIVATE KEY", &key.serialize_der()),
        }
    }

    fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }

    /// Puts it in place as certbot and Kubernetes do: by renaming.
    fn install(&self, folder: &Path) {
        for (name, text) in [("key.pem", &self.key), ("cert.pem", &self.certificate)] {
            let new = folder.join("new");
            fs::write(&new, text).unwrap();
            fs::rename(new, folder.join(name)).unwrap();
        }
    }
}

/// DER as PEM (RFC 7468 §3).
fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

struct Secured {
    server: Running,
    folder: PathBuf,
    certificate: Certificate,
}

fn start(name: &str) -> Secured {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tls-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let certificate = Certificate::new();
    certificate.install(&folder);
    let folder_text = folder.to_str().unwrap();
    let port = "\"127.0.0.1:0\"";
    // A connection that waits for the renewed certificate is idle for longer than a stranger may be.
    let patience = if name == "reload" { 20_000 } else { 2_000 };
    let config = format!(
        "public_hosts = [\"127.0.0.1\"]\n[listen]\nhttp = {port}\nhttps = {port}\nwebrtc = {port}\nice = {port}\n\
         rtmp = {port}\nrtmps = {port}\nrtsp = {port}\nrtp = {port}\n\
         rtcp = {port}\nrtsps = {port}\nhls = \"\"\n[tls]\ncertificate = \"{folder_text}/cert.pem\"\nkey = \"{folder_text}/key.pem\"\n\
         listeners = [\"webrtc\"]\n[limits]\nhandshake_timeout_ms = {patience}\n[log]\nformat = \"json\"\n{}",
        EVERYBODY_HERE.replace("read =", "publish = [\"*\"]\nread =")
    );
    let listeners = ["https", "webrtc", "rtmp", "rtmps", "rtsp", "rtsps"];
    let server = Running::start_from(&format!("tls-{name}.toml"), &config, &listeners);
    Secured { server, folder, certificate }
}

/// A client that trusts `certificates` and speaks `versions`.
fn connector(certificates: &[&Certificate], versions: &[&'static SupportedProtocolVersion]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate.der()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    // A resumed session shows the certificate that it began with.
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

const BOTH: &[&SupportedProtocolVersion] = &[&version::TLS12, &version::TLS13];

impl Secured {
    async fn connect(&self, listener: &str, connector: &TlsConnector) -> Connection {
        let stream = tokio::net::TcpStream::connect(self.server.address(listener).unwrap()).await.unwrap();
        connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap()
    }

    fn plain(&self, listener: &str) -> TcpStream {
        let stream = TcpStream::connect(self.server.address(listener).unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream
    }

    /// Waits until the log has a line with `wanted`; none before it may hold a client's address.
    fn logs(&mut self, wanted: &str) {
        loop {
            let line = self.server.line().expect("the server ended").to_string();
            assert!(!line.contains("127.0.0.1"), "{line}");
            if line.contains(wanted) {
                return;
            }
        }
    }

    fn metric(&self, name: &str) -> u64 {
        let page = self.server.get("/metrics");
        let found = page.lines().find_map(|line| line.strip_prefix(name));
        found.unwrap_or_else(|| panic!("{name}: {page}")).trim().parse::<f64>().unwrap() as u64
    }
}

async fn get(connection: &mut Connection, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    exchange(connection, &request).await
}

/// A request and its answer, whose length is told.
async fn exchange(connection: &mut Connection, request: &str) -> String {
    connection.write_all(request.as_bytes()).await.unwrap();
    let (mut answer, mut buffer) = (Vec::new(), vec![0; 8_192]);
    loop {
        let text = String::from_utf8_lossy(&answer).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_lowercase();
            let length = length.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0_usize) {
                return text;
            }
        }
        let read = connection.read(&mut buffer).await.unwrap();
        assert!(read > 0, "the answer ends early: {text}");
        answer.extend_from_slice(&buffer[..read]);
    }
}

/// Bytes until the other side closes or resets, and how long that took.
fn until_closed(stream: &mut TcpStream) -> (Vec<u8>, Duration) {
    let (begun, mut answer) = (Instant::now(), Vec::new());
    let _ = stream.read_to_end(&mut answer);
    assert!(begun.elapsed() < Duration::from_secs(4), "still open");
    (answer, begun.elapsed())
}

#[tokio::test]
async fn pages_and_whip_answer_over_https_in_both_versions() {
    let secured = start("pages");
    for version in BOTH {
        let connector = connector(&[&secured.certificate], &[version]);
        for listener in ["https", "webrtc"] {
            let mut connection = secured.connect(listener, &connector).await;
            let (_, session) = connection.get_ref();
            assert_eq!(session.protocol_version(), Some(version.version));
            assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));
            let page = get(&mut connection, "/").await;
            // Without built pages both say so.
            assert_eq!(page.lines().next(), secured.server.get("/").lines().next());
            let health = get(&mut connection, "/healthz").await;
            assert!(health.contains("\"ok\""), "the same connection again: {health}");
        }
    }
    let offer = include_str!("../../../tests/vectors/chromium-156/whip-offer.sdp");
    let mut connection = secured.connect("https", &connector(&[&secured.certificate], BOTH)).await;
    let request = format!(
        "POST /a/whip HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/sdp\r\ncontent-length: {}\r\n\r\n{offer}",
        offer.len()
    );
    let answer = exchange(&mut connection, &request).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    // Relative: right under https as under http (RFC 9110 §10.2.2).
    assert!(answer.contains("\r\nlocation: /a/whip/"), "{answer}");
    assert!(secured.server.get("/healthz").contains("\"ok\""), "listen.http stays in the open");
    let year = 366 * 86_400;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(secured.metric("medley_tls_certificate_expiry_seconds ") > now + year);
}

fn ffmpeg(arguments: &[&str]) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-loglevel", "error", "-nostdin"]).args(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// An ffmpeg that publishes a picture and a tone to `url`, whose stream is there once this returns.
struct Publisher(Child);

impl Publisher {
    fn start(secured: &Secured, format: &[&str], url: &str) -> Self {
        let pictures = "testsrc2=size=320x240:rate=25";
        let tone = "sine=frequency=440:sample_rate=44100";
        let coded =
            ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "25", "-c:a", "aac"];
        let mut publisher = ffmpeg(&["-re", "-f", "lavfi", "-i", pictures, "-f", "lavfi", "-i", tone]);
        let publisher = publisher.args(coded).args(["-t", "60"]).args(format).arg(url).spawn();
        let publisher = Self(publisher.expect("scripts/setup installs ffmpeg"));
        let deadline = Instant::now() + Duration::from_secs(30);
        while secured.metric("medley_streams_published ") == 0 {
            assert!(Instant::now() < deadline, "nobody publishes");
            std::thread::sleep(Duration::from_millis(50));
        }
        publisher
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Plays three seconds of `url` by ffmpeg: pictures and sound have to come.
fn plays(options: &[&str], url: &str) {
    let taken = ["-i", url, "-t", "3", "-map", "0:v", "-map", "0:a", "-f", "framecrc", "-"];
    let played = ffmpeg(&[options, &taken].concat()).output().unwrap();
    let text = String::from_utf8_lossy(&played.stdout).into_owned();
    let lines = |stream: &str| text.lines().filter(|line| line.starts_with(stream)).count();
    let errors = String::from_utf8_lossy(&played.stderr);
    assert!(lines("0,") > 50 && lines("1,") > 90, "{url}: {text}{errors:?}");
}

#[test]
fn ffmpeg_publishes_and_plays_rtmps_and_flv_over_https() {
    let secured = start("ffmpeg");
    let address = |listener| secured.server.address(listener).unwrap();
    let url = format!("rtmps://{}/clinic/bed", address("rtmps"));
    let _publisher = Publisher::start(&secured, &["-f", "flv"], &url);
    plays(&["-tls_verify", "0"], &url);
    plays(&[], &format!("rtmp://{}/clinic/bed", address("rtmp")));
    plays(&["-tls_verify", "0"], &format!("https://{}/clinic/bed.flv", address("https")));
    assert_eq!(secured.metric("medley_tls_handshake_failures_total{listener=\"https\"}"), 0);
    assert_eq!(secured.metric("medley_tls_handshake_failures_total{listener=\"rtmps\"}"), 0);
}

#[tokio::test]
async fn ffmpeg_publishes_and_plays_rtsps_and_packets_stay_on_the_connection() {
    let secured = start("rtsps");
    let address = |listener| secured.server.address(listener).unwrap();
    let url = format!("rtsps://{}/clinic/bed", address("rtsps"));
    let _publisher = Publisher::start(&secured, &["-f", "rtsp", "-rtsp_transport", "tcp"], &url);
    plays(&["-rtsp_transport", "tcp"], &url);
    plays(&["-rtsp_transport", "tcp"], &format!("rtsp://{}/clinic/bed", address("rtsp")));
    assert_eq!(secured.metric("medley_tls_handshake_failures_total{listener=\"rtsps\"}"), 0);

    let mut client = secured.connect("rtsps", &connector(&[&secured.certificate], BOTH)).await;
    let described = exchange(&mut client, &format!("DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\n\r\n")).await;
    assert!(described.starts_with("RTSP/1.0 200 "), "{described}");
    let by = |transport: &str| {
        format!("SETUP {url}/trackID=0 RTSP/1.0\r\nCSeq: 2\r\nTransport: {transport}\r\n\r\n")
    };
    let refused = exchange(&mut client, &by("RTP/AVP;unicast;client_port=50000-50001")).await;
    assert!(refused.starts_with("RTSP/1.0 461 "), "packets by UDP would be in the open: {refused}");
    let taken = exchange(&mut client, &by("RTP/AVP/TCP;unicast;interleaved=0-1")).await;
    assert!(taken.starts_with("RTSP/1.0 200 "), "{taken}");
}

#[test]
fn a_source_in_tls_has_to_show_the_certificate_that_is_expected() {
    let camera = start("camera");
    let address = |listener| camera.server.address(listener).unwrap();
    let url = format!("rtsp://{}/bed", address("rtsp"));
    let _publisher = Publisher::start(&camera, &["-f", "rtsp", "-rtsp_transport", "tcp"], &url);
    let digest = Sha256::digest(camera.certificate.der());
    let shown = digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let printed = digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":");
    let (rtsps, rtmps) = (address("rtsps").port(), address("rtmps").port());
    let path = |name: &str, url: &str, fingerprint: &str| {
        format!("[[path]]\nname = \"{name}\"\nsource = \"{url}\"\nsource_fingerprint = \"{fingerprint}\"\n")
    };
    let rtsps = format!("rtsps://localhost:{rtsps}/bed");
    let paths = [
        path("pinned", &rtsps, &shown),
        path("as-openssl-prints-it", &rtsps, &printed),
        path("by-rtmps", &format!("rtmps://localhost:{rtmps}/bed"), &shown),
        path("another", &rtsps, &"ab".repeat(32)),
        path("by-the-roots", &rtsps, ""),
    ];
    let mut server = Running::start("tls-sources.toml", &format!("{EVERYBODY_HERE}{}", paths.concat()));
    let mut expected = vec![
        (
            "another",
            format!("another certificate than the configured one; the certificate's fingerprint is {shown}"),
        ),
        ("by-the-roots", format!("UnknownIssuer; the certificate's fingerprint is {shown}")),
    ];
    while !expected.is_empty() {
        let line = server.line().expect("the server ended");
        let is_it = |(path, why): &(&str, String)| line["path"] == *path && line.to_string().contains(why);
        expected.retain(|wanted| !is_it(wanted));
    }
    server.comes_to("medley_streams_published ", 3);
    for path in ["pinned", "as-openssl-prints-it", "by-rtmps"] {
        plays(&["-rtsp_transport", "tcp"], &format!("rtsp://{}/{path}", server.address("rtsp").unwrap()));
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_new_connections_and_old_ones_stay() {
    let mut secured = start("reload");
    let renewed = Certificate::new();
    let connector = connector(&[&secured.certificate, &renewed], BOTH);
    let mut before = secured.connect("https", &connector).await;
    get(&mut before, "/healthz").await;
    renewed.install(&secured.folder);
    secured.logs("TLS: certificate reloaded");
    let shown = |connection: &Connection| connection.get_ref().1.peer_certificates().unwrap()[0].clone();
    for listener in ["https", "webrtc", "rtmps", "rtsps"] {
        assert_eq!(shown(&secured.connect(listener, &connector).await), renewed.der(), "{listener}");
    }
    assert_eq!(shown(&before), secured.certificate.der());
    assert!(get(&mut before, "/healthz").await.contains("\"ok\""), "nothing was dropped");
}

#[tokio::test]
async fn a_broken_certificate_is_told_and_the_old_one_stays() {
    let mut secured = start("broken");
    let connector = connector(&[&secured.certificate], BOTH);
    fs::write(secured.folder.join("key.pem"), Certificate::new().key).unwrap();
    secured.logs("does not belong to the first certificate");
    fs::remove_file(secured.folder.join("cert.pem")).unwrap();
    secured.logs("the old certificate stays");
    for listener in ["https", "rtmps", "rtsps"] {
        let connection = secured.connect(listener, &connector).await;
        assert_eq!(connection.get_ref().1.peer_certificates().unwrap()[0], secured.certificate.der());
    }
}

#[test]
fn clients_that_speak_something_else_are_closed_and_counted() {
    let secured = start("strangers");
    for (listener, words) in [
        ("https", &b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"[..]),
        ("rtmps", &[3; 1_537][..]),
        ("rtsps", &b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"[..]),
    ] {
        let mut stream = secured.plain(listener);
        stream.write_all(words).unwrap();
        let (answer, _) = until_closed(&mut stream);
        assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1 200"));
        let failures = format!("medley_tls_handshake_failures_total{{listener=\"{listener}\"}}");
        // It is counted an instant after the connection is closed.
        let deadline = Instant::now() + Duration::from_secs(5);
        while secured.metric(&failures) != 1 {
            assert!(Instant::now() < deadline, "{listener}");
        }
    }
    // A TLS 1.2 ClientHello's first bytes, at the plain ports.
    let hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 506]].concat();
    for listener in ["http", "rtmp", "rtsp"] {
        let mut stream = secured.plain(listener);
        stream.write_all(&hello).unwrap();
        let (answer, _) = until_closed(&mut stream);
        assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1 200"));
    }
    assert!(secured.server.get("/healthz").contains("\"ok\""));
}

#[test]
fn a_handshake_that_does_not_go_on_is_closed_in_time() {
    let secured = start("slow");
    for (listener, words) in [
        ("https", &b""[..]),
        ("https", &[0x16, 3, 1]),
        ("rtmps", &[0x16, 3, 1, 2, 0, 1]),
        ("rtsps", &[0x16, 3, 1, 2, 0, 1]),
    ] {
        let mut stream = secured.plain(listener);
        stream.write_all(words).unwrap();
        let (_, after) = until_closed(&mut stream);
        assert!(after > Duration::from_millis(300), "{listener}: {after:?}");
    }
    assert_eq!(secured.metric("medley_tls_handshake_failures_total{listener=\"https\"}"), 2);
    assert_eq!(secured.metric("medley_tls_handshake_failures_total{listener=\"rtmps\"}"), 1);
    assert_eq!(secured.metric("medley_tls_handshake_failures_total{listener=\"rtsps\"}"), 1);
}

//! Every section and key of the configuration, with its default and meaning.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ::hls::Variant;
use gateway::trust::Fingerprint;
use ipnet::IpNet;
use media::Pii;
use tracing_subscriber::filter::Targets;

use super::command::{CommandRule, HookCommand};
use super::pattern::{PathPattern, path_pattern};
use super::rule::{Address, Choice, Flag, List, Millis, Number, OrDefault, path};
use super::section::{Description, Section, section};
use super::source::{self, Source, SourceRule};
use super::value::{
    Host, IceServer, LogFormat, Origin, PasswordHash, host, ice_server, log_level, network, optional_file,
    origin, password_hash, user_name,
};
use crate::tls::files::Files;

section! {
    /// Keys above all sections.
    "" => pub General {
        /// Where Medley keeps its files.
        data_dir: PathBuf = path(), Some(r#""./data""#);
        /// Addresses or names of this server that doctors and patients can reach: they become ICE candidates and
        /// parts of URLs. Empty: the addresses of the network interfaces are used, which is right within one network;
        /// behind a router or in a cloud write the public address.
        public_hosts: Vec<Host> = List(host()), Some("[]");
    }
}

section! {
    /// Every socket in one place; `""` switches one off. Port 0 takes any free port and logs which.
    "listen" => pub Listen {
        /// TCP: pages and all HTTP media (`/{path}/whip`, `/{path}/whep`, `/{path}.flv`,
        /// `/{path}/index.m3u8`), `/healthz` and `/metrics`.
        http: Option<SocketAddr> = Address, Some(r#""0.0.0.0:8080""#);
        /// TCP: the same in TLS (customary: 8443), by the certificate in `[tls]`.
        https: Option<SocketAddr> = Address, Some(r#""""#);
        /// TCP: WHIP and WHEP once more, where MediaMTX has them.
        webrtc: Option<SocketAddr> = Address, Some(r#""0.0.0.0:8889""#);
        /// UDP and TCP: WebRTC's media, all peers on one port.
        ice: Option<SocketAddr> = Address, Some(r#""0.0.0.0:8189""#);
        /// TCP: RTMP, publish and play.
        rtmp: Option<SocketAddr> = Address, Some(r#""0.0.0.0:1935""#);
        /// TCP: RTMP in TLS (customary: 1936), by the certificate in `[tls]`.
        rtmps: Option<SocketAddr> = Address, Some(r#""""#);
        /// TCP: RTSP, publish and read.
        rtsp: Option<SocketAddr> = Address, Some(r#""0.0.0.0:8554""#);
        /// UDP: RTSP's media where it does not travel on the connection itself, all sessions on one port. Without it, or
        /// without `rtcp`, RTSP takes TCP only.
        rtp: Option<SocketAddr> = Address, Some(r#""0.0.0.0:8000""#);
        /// UDP: the reports about RTSP's media (RTCP).
        rtcp: Option<SocketAddr> = Address, Some(r#""0.0.0.0:8001""#);
        /// TCP: RTSP in TLS (customary: 8322), by the certificate in `[tls]`; its media travels on the connection.
        rtsps: Option<SocketAddr> = Address, Some(r#""""#);
        /// TCP: HLS once more, where MediaMTX has it, with its watching page at `/{path}/`.
        hls: Option<SocketAddr> = Address, Some(r#""0.0.0.0:8888""#);
        /// TCP: the control API, `/v3/...` as MediaMTX has it (customary: `127.0.0.1:9997`), for users with `api = true`. It
        /// tells names and addresses of who publishes and reads.
        api: Option<SocketAddr> = Address, Some(r#""""#);
        /// TCP: `/metrics` with the names that MediaMTX gives them beside our own (customary: `127.0.0.1:9998`), for users
        /// with `api = true`. Unlike those of `http` they name the paths of streams.
        metrics: Option<SocketAddr> = Address, Some(r#""""#);
    }
}

section! {
    /// The certificate of `listen.https`, `listen.rtmps` and `listen.rtsps`, and of the listeners named here. TLS 1.2 and
    /// 1.3. Both files are read again when they change, without a restart.
    "tls" => pub Tls {
        /// A PEM file with this server's certificate first, then the intermediate ones; `""` for none.
        certificate: Option<PathBuf> = optional_file(), Some(r#""""#);
        /// A PEM file with the certificate's private key, without a password.
        key: Option<PathBuf> = optional_file(), Some(r#""""#);
        /// Which other listeners speak TLS instead of plain HTTP, as MediaMTX's `webrtcEncryption` and its like say it.
        listeners: Vec<&'static str> = List(Choice(Tls::LISTENERS)), Some("[]");
    }
}

impl Tls {
    const LISTENERS: &'static [(&'static str, &'static str)] =
        &[("http", "http"), ("webrtc", "webrtc"), ("hls", "hls"), ("api", "api"), ("metrics", "metrics")];

    /// Whether the listener `name` of `[listen]` speaks nothing but TLS.
    pub(crate) fn always(name: &str) -> bool {
        matches!(name, "https" | "rtmps" | "rtsps")
    }

    /// Whether the listener `name` of `[listen]` speaks TLS.
    pub fn covers(&self, name: &str) -> bool {
        Self::always(name) || self.listeners.contains(&name)
    }

    /// The certificate's two files; `None` without TLS.
    pub fn files(&self) -> Option<Files> {
        let (certificate, key) = self.certificate.clone().zip(self.key.clone())?;
        Some(Files { certificate, key })
    }
}

section! {
    /// Who may do what. Each `[[auth.user]]` opens a door; without one, nobody may publish, read or use the API. One
    /// name may stand in several entries, for example to allow more from one network than from another.
    "auth.user" => pub(super) UserEntry {
        /// The name that is shown with the password; `"any"` stands for everybody and asks for no password.
        name: Pii<String> = user_name(), None;
        /// The password's argon2 hash, which `medley hash-password` makes. Never the password itself.
        password: Option<PasswordHash> = password_hash(), Some(r#""""#);
        /// A file that holds the password, or its argon2 hash, in its first line; instead of `password`.
        password_file: Option<PathBuf> = optional_file(), Some(r#""""#);
        /// From where: addresses and CIDR networks. The default is everywhere.
        networks: Vec<IpNet> = List(network()), Some(r#"["0.0.0.0/0", "::/0"]"#);
        /// What may be published: stream paths, in which `*` stands for any run of characters.
        publish: Vec<PathPattern> = List(path_pattern()), Some("[]");
        /// What may be read, in the same form.
        read: Vec<PathPattern> = List(path_pattern()), Some("[]");
        /// Whether the API and the metrics may be used.
        api: bool = Flag, Some("false");
    }
}

section! {
    /// What is special about single paths. Paths need no entry to be published and read: who may do that is said in
    /// `[[auth.user]]`. An entry with one path as its name comes before entries with patterns, and of those the first
    /// that fits is taken. Commands run as [the guide](../guide/hooks.md) says.
    "path" => pub(super) PathEntry {
        /// Which paths it is about.
        name: PathPattern = path_pattern(), None;
        /// Where the stream comes from: from whoever publishes it, or from another server, which is asked for it again
        /// until it gives it. With a URL nobody else may publish the path. `$G1`, `$G2`, ... in it stand for the
        /// groups of the name's expression (or for its stars), `$MTX_QUERY` for the query of the first reader.
        source: Source = SourceRule, Some(r#""publisher""#);
        /// The SHA-256 fingerprint of the certificate that a source with `rtsps://` or `rtmps://` has to show, whoever
        /// signed it: cameras have signed theirs themselves. Empty: a certificate for the URL's host that this system's
        /// roots vouch for.
        source_fingerprint: Option<Fingerprint> = source::fingerprint(), Some(r#""""#);
        /// Whether a source that is a URL is asked only while somebody reads.
        source_on_demand: bool = Flag, Some("false");
        /// How long readers wait for such a source.
        source_on_demand_start_timeout_ms: Duration = Millis(100..=600_000), Some("10000");
        /// How long such a source goes on without readers.
        source_on_demand_close_after_ms: Duration = Millis(0..=3_600_000), Some("10000");
        /// Readers at a time; 0 is `limits.subscribers`.
        max_readers: Option<u32> = OrDefault(Number(1..=1_000_000)), Some("0");
        /// Whether a publisher takes the path from the one that has it. `false` locks out a phone that comes back
        /// before its dead connection was noticed.
        override_publisher: bool = Flag, Some("true");
        /// Runs from the start of the server to its end, for example to publish a stream.
        run_on_init: Option<HookCommand> = CommandRule, Some(r#""""#);
        /// Whether it is started again, 5 s after it ended by itself.
        run_on_init_restart: bool = Flag, Some("false");
        /// Runs when somebody wants to read the path and nobody publishes it: the reader waits, the command publishes.
        run_on_demand: Option<HookCommand> = CommandRule, Some(r#""""#);
        /// Whether it is started again, 5 s after it ended by itself.
        run_on_demand_restart: bool = Flag, Some("false");
        /// How long readers wait for the stream.
        run_on_demand_start_timeout_ms: Duration = Millis(100..=600_000), Some("10000");
        /// How long the command goes on without readers.
        run_on_demand_close_after_ms: Duration = Millis(0..=3_600_000), Some("10000");
        /// Runs when the command of `run_on_demand` was told to end.
        run_on_undemand: Option<HookCommand> = CommandRule, Some(r#""""#);
        /// Runs while the stream can be read: from its first track until it ends. A publisher that comes back within
        /// `hub.grace_ms` to readers who wait is no end.
        run_on_available: Option<HookCommand> = CommandRule, Some(r#""""#);
        /// Whether it is started again, 5 s after it ended by itself.
        run_on_available_restart: bool = Flag, Some("false");
        /// Runs when the stream has ended.
        run_on_unavailable: Option<HookCommand> = CommandRule, Some(r#""""#);
        /// Runs while a reader reads, once for each reader.
        run_on_read: Option<HookCommand> = CommandRule, Some(r#""""#);
        /// Whether it is started again, 5 s after it ended by itself.
        run_on_read_restart: bool = Flag, Some("false");
        /// Runs when a reader has left.
        run_on_unread: Option<HookCommand> = CommandRule, Some(r#""""#);
    }
}

section! {
    /// Commands that run for every connection, whatever path it is about; those of paths stand in `[[path]]`.
    "hooks" => pub Hooks {
        /// Runs while a client is connected: from its first byte by RTMP and RTSP, also before it showed credentials.
        run_on_connect: Option<HookCommand> = CommandRule, Some(r#""""#);
        /// Whether it is started again, 5 s after it ended by itself.
        run_on_connect_restart: bool = Flag, Some("false");
        /// Runs when a client has gone.
        run_on_disconnect: Option<HookCommand> = CommandRule, Some(r#""""#);
    }
}

section! {
    /// What is logged, to standard error. Addresses, names and passwords never are.
    "log" => pub Log {
        /// How much: `"error"`, `"warn"`, `"info"`, `"debug"`, `"trace"` or `"off"`, also by part of the program:
        /// `"info,gateway=debug"`.
        level: Targets = log_level(), Some(r#""info""#);
        /// For people, or one JSON object in each line.
        format: LogFormat = Choice(LogFormat::WORDS), Some(r#""pretty""#);
    }
}

section! {
    /// How live streams are kept in memory.
    "hub" => pub Hub {
        /// Frames since the last random access point are kept so that a joining subscriber sees a picture at once;
        /// a GOP that is longer than this is not kept.
        gop_cache_ms: Duration = Millis(0..=60_000), Some("6000");
        /// How far a slow subscriber may fall behind; beyond, frames are dropped up to the next random access point.
        queue_ms: Duration = Millis(100..=60_000), Some("2000");
        /// How much one stream may keep in memory, in bytes, whatever the two spans above.
        stream_bytes: u32 = Number(1 << 20..=1 << 30), Some("33554432");
        /// How long a stream waits for a publisher that vanished; its subscribers stay meanwhile.
        grace_ms: Duration = Millis(0..=600_000), Some("10000");
        /// WebRTC publishers are asked for a random access point when the newest is older than this.
        keyframe_interval_ms: Duration = Millis(500..=60_000), Some("2000");
        /// The least time between two such requests to one publisher.
        keyframe_throttle_ms: Duration = Millis(50..=60_000), Some("500");
    }
}

section! {
    /// What subscribers hear when their protocol cannot carry the publisher's codec.
    "audio" => pub Audio {
        /// Channels of AAC made from Opus.
        aac_channels: u32 = Number(1..=2), Some("1");
        /// kbit/s of AAC made from Opus or G.711; 0 is 64 for one channel and 96 for two.
        aac_kbps: Option<u32> = OrDefault(Number(16..=256)), Some("0");
        /// kbit/s of Opus made from AAC or G.711; 0 is 64 for one channel and 96 for two.
        opus_kbps: Option<u32> = OrDefault(Number(16..=256)), Some("0");
    }
}

section! {
    /// WebRTC beyond its sockets.
    "webrtc" => pub WebRtc {
        /// STUN and TURN servers that pages are told of: `"stun:HOST:PORT"`, `"turn:USER:PASSWORD@HOST:PORT"`.
        ice_servers: Vec<IceServer> = List(ice_server()), Some("[]");
        /// Which pages of other servers may use WHIP and WHEP: their origins, or `"*"` for all.
        allow_origins: Vec<Origin> = List(origin()), Some(r#"["*"]"#);
    }
}

section! {
    /// HTTP-FLV and WebSocket-FLV, `/{path}.flv` on every HTTP listener.
    "flv" => pub Flv {
        /// Which pages of other servers may play it: their origins, or `"*"` for all.
        allow_origins: Vec<Origin> = List(origin()), Some(r#"["*"]"#);
    }
}

section! {
    /// HLS, `/{path}/index.m3u8` on every HTTP listener.
    "hls" => pub Hls {
        /// `"lowLatency"`: fMP4 with parts, a second behind live and less; `"fmp4"`: fMP4 in whole segments; `"mpegts"`:
        /// MPEG-TS, for televisions and old players. `?variant=` in the URL asks for another.
        variant: Variant = Choice(VARIANTS), Some(r#""lowLatency""#);
        /// The least length of a segment; it ends at the next random access point.
        segment_ms: Duration = Millis(500..=30_000), Some("1000");
        /// The length of a part, without which `"lowLatency"` would be behind live by whole segments.
        part_ms: Duration = Millis(50..=1_000), Some("200");
        /// Segments in a playlist, at least.
        segments: u32 = Number(3..=1_000), Some("7");
        /// The largest segment, in bytes; it ends before it gets larger.
        segment_max_bytes: u32 = Number(1 << 20..=1 << 30), Some("52428800");
        /// When nobody has asked for anything for so long, the muxer ends, and so does the session of who watched.
        muxer_close_after_ms: Duration = Millis(1_000..=3_600_000), Some("60000");
        /// Whether every stream is muxed all the time, also while nobody watches.
        always_remux: bool = Flag, Some("false");
        /// Which pages of other servers may play it: their origins, or `"*"` for all.
        allow_origins: Vec<Origin> = List(origin()), Some(r#"["*"]"#);
    }
}

section! {
    /// Bounds that hold whatever is sent. Each one that is reached shows in the log and in the metrics.
    "limits" => pub Limits {
        /// Open TCP connections of each listener.
        connections: u32 = Number(1..=1_000_000), Some("10000");
        /// How long a new connection may take to say what it wants: handshake, request header, first command.
        handshake_timeout_ms: Duration = Millis(100..=60_000), Some("10000");
        /// The largest RTMP message, in bytes: one access unit must fit.
        rtmp_message_bytes: u32 = Number(65_536..=16_777_215), Some("8388608");
        /// WebRTC sessions at a time.
        webrtc_sessions: u32 = Number(1..=100_000), Some("1000");
        /// Streams at a time.
        streams: u32 = Number(1..=100_000), Some("1000");
        /// Subscribers of one stream at a time.
        subscribers: u32 = Number(1..=1_000_000), Some("5000");
        /// Sessions of people who watch by HLS at a time.
        hls_sessions: u32 = Number(1..=1_000_000), Some("5000");
        /// Commands of hooks at a time; beyond, a hook does not run.
        hook_processes: u32 = Number(1..=10_000), Some("256");
    }
}

/// The variants of HLS, as MediaMTX calls them.
const VARIANTS: &[(&str, Variant)] =
    &[("lowLatency", Variant::LowLatency), ("fmp4", Variant::Fmp4), ("mpegts", Variant::MpegTs)];

/// Every section, in the order of the reference.
pub(crate) fn sections() -> Vec<Description> {
    vec![
        General::describe(),
        Listen::describe(),
        Tls::describe(),
        Description { repeated: true, ..UserEntry::describe() },
        Description { repeated: true, ..PathEntry::describe() },
        Hooks::describe(),
        Log::describe(),
        Hub::describe(),
        Audio::describe(),
        WebRtc::describe(),
        Flv::describe(),
        Hls::describe(),
        Limits::describe(),
    ]
}

/// What a socket carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// TCP only.
    Tcp,
    /// UDP only.
    Udp,
    /// UDP and TCP on the same number.
    UdpAndTcp,
}

impl Transport {
    /// Whether two sockets with these can be in each other's way.
    pub(super) fn shares(self, other: Self) -> bool {
        self == other || [self, other].contains(&Self::UdpAndTcp)
    }
}

/// One line of the `[listen]` section.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listener {
    /// Its key.
    pub name: &'static str,
    /// Where; `None` is off.
    pub address: Option<SocketAddr>,
    /// By what.
    pub transport: Transport,
}

impl Listen {
    /// All listeners, in the order of the reference.
    pub fn listeners(&self) -> [Listener; 13] {
        let tcp = |name, address| Listener { name, address, transport: Transport::Tcp };
        [
            tcp("http", self.http),
            tcp("https", self.https),
            tcp("webrtc", self.webrtc),
            Listener { transport: Transport::UdpAndTcp, ..tcp("ice", self.ice) },
            tcp("rtmp", self.rtmp),
            tcp("rtmps", self.rtmps),
            tcp("rtsp", self.rtsp),
            Listener { transport: Transport::Udp, ..tcp("rtp", self.rtp) },
            Listener { transport: Transport::Udp, ..tcp("rtcp", self.rtcp) },
            tcp("rtsps", self.rtsps),
            tcp("hls", self.hls),
            tcp("api", self.api),
            tcp("metrics", self.metrics),
        ]
    }
}

/// Whether two addresses cannot be listened to at the same time, on Linux: equal ports, and equal addresses or one
/// that covers the other. `[::]` takes IPv4 too.
pub(crate) fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let covers = |a: IpAddr, b: IpAddr| a == b || (a.is_unspecified() && (a.is_ipv6() || b.is_ipv4()));
    a.port() != 0 && a.port() == b.port() && (covers(a.ip(), b.ip()) || covers(b.ip(), a.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_overlap_as_linux_says() {
        for (a, b, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("0.0.0.0:80", "127.0.0.2:80", true),
            ("[::]:80", "127.0.0.2:80", true),
            ("0.0.0.0:80", "[::1]:80", false),
            ("[::]:80", "[::1]:80", true),
            ("0.0.0.0:0", "0.0.0.0:0", false),
        ] {
            let (a, b) = (a.parse().unwrap(), b.parse().unwrap());
            assert_eq!((overlap(a, b), overlap(b, a)), (expected, expected), "{a} {b}");
        }
    }

    #[test]
    fn every_listener_of_the_section_is_listed_under_its_key() {
        let keys: Vec<_> = Listen::describe().keys.iter().map(|key| key.name).collect();
        let nowhere = Listen {
            http: None,
            https: None,
            webrtc: None,
            ice: None,
            rtmp: None,
            rtmps: None,
            rtsp: None,
            rtp: None,
            rtcp: None,
            rtsps: None,
            hls: None,
            api: None,
            metrics: None,
        };
        assert_eq!(nowhere.listeners().map(|listener| listener.name).to_vec(), keys);
    }

    #[test]
    fn every_key_and_section_has_a_text_for_the_reference() {
        for section in sections() {
            assert!(!section.doc.is_empty(), "[{}]", section.table);
            for key in &section.keys {
                assert!(!key.doc.is_empty() && !key.accepted.is_empty(), "{}", section.path(key.name));
            }
        }
    }
}

//! The keys above `paths` (`internal/conf/conf.go` of MediaMTX 1.20).

use crate::config::document::{Entry, Found, Located};

use super::read;
use super::{Fate, Group, Key, becomes, becomes_but, ignored, negated, renamed, shapes, single};

const RECORDING: &str = "there is no recording yet";
const OLD_RECORDING: &str = "the old place of `pathDefaults.record...`; there is no recording yet";
const PROXIES: &str = "addresses behind a proxy are not read: every client has the proxy's address";
const ONE_ORIGIN_LIST: &str = "pages of other servers cannot use it";
const NO_SRT: &str = "SRT is not served";
const NO_MOQ: &str = "MoQ is not served";
const NO_MULTICAST: &str = "multicast is not served";
const NO_PPROF: &str = "there is no pprof";
const NO_PLAYBACK: &str = "there is no playback of recordings yet";
const CERTIFICATE: &str = "`tls.certificate` and `tls.key`: one pair for all listeners";

pub(crate) const GLOBAL: &[Group] = &[
    Group { title: "General", keys: GENERAL },
    Group { title: "Authentication", keys: AUTHENTICATION },
    Group { title: "API, metrics, pprof, playback", keys: HTTP_SERVERS },
    Group { title: "RTSP", keys: RTSP },
    Group { title: "RTMP", keys: RTMP },
    Group { title: "HLS", keys: HLS },
    Group { title: "WebRTC", keys: WEBRTC },
    Group { title: "SRT and MoQ", keys: OTHERS },
    Group { title: "Paths", keys: PATHS },
];

const GENERAL: &[Key] = &[
    becomes("logLevel", "log.level", read::log_level),
    ignored("logDestinations", "[stdout]", "lines go to standard error; systemd or Docker keeps them"),
    becomes("logStructured", "log.format", read::log_format),
    ignored("logFile", "mediamtx.log", "lines go to standard error; systemd or Docker keeps them"),
    ignored("sysLogPrefix", "mediamtx", "lines go to standard error; systemd or Docker keeps them"),
    ignored("dumpPackets", "false", "packets are not written to files"),
    ignored("readTimeout", "10s", "how long a silent client is kept is fixed for each protocol"),
    ignored("writeTimeout", "10s", "a client that takes nothing is closed after 10 s"),
    ignored("writeQueueSize", "512", "`hub.queue_ms` bounds by time how far a slow reader may fall behind"),
    renamed("readBufferCount", "writeQueueSize"),
    ignored("udpMaxPayloadSize", "1452", "the size of packets is fixed"),
    ignored("udpReadBufferSize", "0", "buffers are asked of the kernel; `net.core.rmem_max` grants them"),
    becomes("runOnConnect", "hooks.run_on_connect", read::text),
    becomes("runOnConnectRestart", "hooks.run_on_connect_restart", read::flag),
    becomes("runOnDisconnect", "hooks.run_on_disconnect", read::text),
];

const AUTHENTICATION: &[Key] = &[
    shapes(
        "authMethod",
        "`internal`: `[[auth.user]]`; with `http` and `jwt`, which are not here, nobody gets in",
    ),
    shapes(
        "authInternalUsers",
        "an `[[auth.user]]` for each; whoever opens the server to everybody stands as a comment",
    ),
    ignored("authHTTPAddress", "\"\"", "there is no authentication by HTTP"),
    Key {
        name: "externalAuthenticationURL",
        fate: Fate::Old {
            of: "authMethod",
            how: "is `http` as",
            turn: |_| Found::Text(String::from("http")),
        },
    },
    ignored("authHTTPFingerprint", "\"\"", "there is no authentication by HTTP"),
    ignored("authHTTPExclude", EXCLUDED, "there is no authentication by HTTP"),
    ignored("authJWTJWKS", "\"\"", "there is no authentication by JWT"),
    ignored("authJWTJWKSFingerprint", "\"\"", "there is no authentication by JWT"),
    ignored("authJWTClaimKey", "mediamtx_permissions", "there is no authentication by JWT"),
    ignored("authJWTExclude", "[]", "there is no authentication by JWT"),
    ignored("authJWTInHTTPQuery", "true", "there is no authentication by JWT"),
    ignored("authJWTIssuer", "\"\"", "there is no authentication by JWT"),
    ignored("authJWTAudience", "\"\"", "there is no authentication by JWT"),
];

/// MediaMTX's default of `authHTTPExclude`.
const EXCLUDED: &str = "[{action: api}, {action: metrics}, {action: pprof}]";

const HTTP_SERVERS: &[Key] = &[
    shapes("api", "`listen.api`, at `apiAddress`"),
    shapes("apiAddress", "`listen.api`"),
    shapes("apiEncryption", "`tls.listeners`"),
    shapes("apiServerKey", CERTIFICATE),
    shapes("apiServerCert", CERTIFICATE),
    ignored("apiAllowOrigins", "['*']", ONE_ORIGIN_LIST),
    single("apiAllowOrigin", "apiAllowOrigins"),
    ignored("apiTrustedProxies", "[]", PROXIES),
    shapes("metrics", "`listen.metrics`, at `metricsAddress`"),
    shapes("metricsAddress", "`listen.metrics`"),
    shapes("metricsEncryption", "`tls.listeners`"),
    shapes("metricsServerKey", CERTIFICATE),
    shapes("metricsServerCert", CERTIFICATE),
    ignored("metricsAllowOrigins", "['*']", ONE_ORIGIN_LIST),
    single("metricsAllowOrigin", "metricsAllowOrigins"),
    ignored("metricsTrustedProxies", "[]", PROXIES),
    ignored("pprof", "false", NO_PPROF),
    ignored("pprofAddress", ":9999", NO_PPROF),
    ignored("pprofEncryption", "false", NO_PPROF),
    ignored("pprofServerKey", "server.key", NO_PPROF),
    ignored("pprofServerCert", "server.crt", NO_PPROF),
    ignored("pprofAllowOrigins", "['*']", NO_PPROF),
    single("pprofAllowOrigin", "pprofAllowOrigins"),
    ignored("pprofTrustedProxies", "[]", NO_PPROF),
    ignored("playback", "false", NO_PLAYBACK),
    ignored("playbackAddress", ":9996", NO_PLAYBACK),
    ignored("playbackEncryption", "false", NO_PLAYBACK),
    ignored("playbackServerKey", "server.key", NO_PLAYBACK),
    ignored("playbackServerCert", "server.crt", NO_PLAYBACK),
    ignored("playbackAllowOrigins", "['*']", NO_PLAYBACK),
    single("playbackAllowOrigin", "playbackAllowOrigins"),
    ignored("playbackTrustedProxies", "[]", NO_PLAYBACK),
];

const RTSP: &[Key] = &[
    shapes("rtsp", "`false`: `listen.rtsp`, `rtsps`, `rtp` and `rtcp` are `\"\"`"),
    negated("rtspDisable", "rtsp"),
    shapes(
        "rtspTransports",
        "without `udp`: `listen.rtp` and `listen.rtcp` are `\"\"`; TCP is always served, multicast never",
    ),
    renamed("protocols", "rtspTransports"),
    shapes("rtspEncryption", "`optional`: `listen.rtsps` beside `listen.rtsp`; `strict`: instead of it"),
    renamed("encryption", "rtspEncryption"),
    shapes("rtspAddress", "`listen.rtsp`"),
    shapes("rtspsAddress", "`listen.rtsps`, with encryption"),
    shapes("rtpAddress", "`listen.rtp`"),
    shapes("rtcpAddress", "`listen.rtcp`"),
    ignored("multicastIPRange", "224.1.0.0/16", NO_MULTICAST),
    ignored("multicastRTPPort", "8002", NO_MULTICAST),
    ignored("multicastRTCPPort", "8003", NO_MULTICAST),
    ignored("srtpAddress", ":8004", "RTSPS carries its media on the connection"),
    ignored("srtcpAddress", ":8005", "RTSPS carries its media on the connection"),
    ignored("multicastSRTPPort", "8006", NO_MULTICAST),
    ignored("multicastSRTCPPort", "8007", NO_MULTICAST),
    shapes("rtspServerKey", CERTIFICATE),
    renamed("serverKey", "rtspServerKey"),
    shapes("rtspServerCert", CERTIFICATE),
    renamed("serverCert", "rtspServerCert"),
    ignored("rtspAuthMethods", "[basic]", "Basic or Digest is asked for by what the users' passwords permit"),
    renamed("authMethods", "rtspAuthMethods"),
    ignored("rtspTrustedProxies", "[]", PROXIES),
    renamed("rtspUDPReadBufferSize", "udpReadBufferSize"),
];

const RTMP: &[Key] = &[
    shapes("rtmp", "`false`: `listen.rtmp` and `listen.rtmps` are `\"\"`"),
    negated("rtmpDisable", "rtmp"),
    shapes("rtmpEncryption", "`optional`: `listen.rtmps` beside `listen.rtmp`; `strict`: instead of it"),
    shapes("rtmpAddress", "`listen.rtmp`"),
    shapes("rtmpsAddress", "`listen.rtmps`, with encryption"),
    shapes("rtmpServerKey", CERTIFICATE),
    shapes("rtmpServerCert", CERTIFICATE),
    ignored("rtmpTrustedProxies", "[]", PROXIES),
];

const HLS: &[Key] = &[
    shapes("hls", "`false`: `listen.hls` is `\"\"`; on `listen.http` HLS stays"),
    negated("hlsDisable", "hls"),
    shapes("hlsAddress", "`listen.hls`"),
    shapes("hlsEncryption", "`tls.listeners`"),
    shapes("hlsServerKey", CERTIFICATE),
    shapes("hlsServerCert", CERTIFICATE),
    shapes("hlsAllowOrigins", "`hls.allow_origins`, and the same for HTTP-FLV"),
    single("hlsAllowOrigin", "hlsAllowOrigins"),
    ignored("hlsTrustedProxies", "[]", PROXIES),
    becomes("hlsAlwaysRemux", "hls.always_remux", read::flag),
    becomes("hlsVariant", "hls.variant", read::hls_variant),
    becomes("hlsSegmentCount", "hls.segments", read::count),
    becomes("hlsSegmentDuration", "hls.segment_ms", read::millis),
    becomes("hlsPartDuration", "hls.part_ms", read::millis),
    becomes("hlsSegmentMaxSize", "hls.segment_max_bytes", read::bytes),
    ignored("hlsDirectory", "\"\"", "segments are kept in memory"),
    becomes("hlsMuxerCloseAfter", "hls.muxer_close_after_ms", read::millis),
    ignored("hlsCDNSecret", "\"\"", "viewers show credentials, also behind a cache"),
];

const WEBRTC: &[Key] = &[
    shapes("webrtc", "`false`: `listen.webrtc` and `listen.ice` are `\"\"`"),
    negated("webrtcDisable", "webrtc"),
    shapes("webrtcAddress", "`listen.webrtc`"),
    shapes("webrtcEncryption", "`tls.listeners`"),
    shapes("webrtcServerKey", CERTIFICATE),
    shapes("webrtcServerCert", CERTIFICATE),
    shapes("webrtcAllowOrigins", "`webrtc.allow_origins`"),
    single("webrtcAllowOrigin", "webrtcAllowOrigins"),
    ignored("webrtcTrustedProxies", "[]", PROXIES),
    shapes("webrtcLocalUDPAddress", "`listen.ice`, which is UDP and TCP"),
    renamed("webrtcICEUDPMuxAddress", "webrtcLocalUDPAddress"),
    shapes(
        "webrtcLocalTCPAddress",
        "`listen.ice` where there is no UDP address; else TCP is served beside UDP",
    ),
    renamed("webrtcICETCPMuxAddress", "webrtcLocalTCPAddress"),
    shapes(
        "webrtcIPsFromInterfaces",
        "the addresses of the interfaces are told when `public_hosts` is empty",
    ),
    ignored(
        "webrtcIPsFromInterfacesList",
        "[]",
        "all interfaces are told when `public_hosts` is empty, else none",
    ),
    becomes_but(
        "webrtcAdditionalHosts",
        "public_hosts",
        read::texts,
        "instead of the interfaces' addresses, not beside them",
    ),
    renamed("webrtcICEHostNAT1To1IPs", "webrtcAdditionalHosts"),
    shapes("webrtcICEServers2", "`webrtc.ice_servers`; for browsers only: the server itself asks none"),
    Key {
        name: "webrtcICEServers",
        fate: Fate::Old { of: "webrtcICEServers2", how: "is called", turn: ice_servers },
    },
    ignored("webrtcSTUNGatherTimeout", "5s", "the server asks no STUN server"),
    becomes_but("webrtcHandshakeTimeout", "limits.handshake_timeout_ms", read::millis, "for every protocol"),
    ignored("webrtcTrackGatherTimeout", "2s", "tracks may come late"),
];

const OTHERS: &[Key] = &[
    ignored("srt", "false", NO_SRT),
    ignored("srtAddress", ":8890", NO_SRT),
    ignored("srtla", "false", NO_SRT),
    ignored("srtlaAddress", ":8891", NO_SRT),
    ignored("moq", "false", NO_MOQ),
    ignored("moqHTTP2Address", ":8892", NO_MOQ),
    renamed("moqHTTPS2Address", "moqHTTP2Address"),
    ignored("moqHTTP3Address", ":8892", NO_MOQ),
    renamed("moqHTTPS3Address", "moqHTTP3Address"),
    ignored("moqQUICAddress", ":8893", NO_MOQ),
    ignored("moqServerKey", "auto.key", NO_MOQ),
    ignored("moqServerCert", "auto.crt", NO_MOQ),
    ignored("moqAllowOrigins", "['*']", NO_MOQ),
    ignored("moqTrustedProxies", "[]", NO_MOQ),
];

const PATHS: &[Key] = &[
    shapes("pathDefaults", "written into each `[[path]]`"),
    shapes(
        "paths",
        "a `[[path]]` for each that has something special; users may publish and read only what stands here",
    ),
    ignored("record", "false", OLD_RECORDING),
    ignored("recordPath", RECORD_PATH, RECORDING),
    ignored("recordFormat", "fmp4", RECORDING),
    ignored("recordPartDuration", "1s", RECORDING),
    ignored("recordSegmentDuration", "1h", RECORDING),
    ignored("recordDeleteAfter", "1d", RECORDING),
];

const RECORD_PATH: &str = "./recordings/%path/%Y-%m-%d_%H-%M-%S-%f";

/// The old form `turn:USER:PASSWORD:HOST:PORT` becomes a section, as `Conf.Validate` does it: five parts are
/// credentials, anything else is a URL.
fn ice_servers(found: Found) -> Found {
    let Found::List(items) = found else { return found };
    Found::List(items.into_iter().map(ice_server).collect())
}

fn ice_server(item: Located) -> Located {
    let Found::Text(text) = item.value else { return item };
    let entry = |key: &str, value: String| Entry {
        place: item.place.clone(),
        key: key.to_owned(),
        value: Located { place: item.place.clone(), value: Found::Text(value) },
    };
    let parts: Vec<_> = text.split(':').collect();
    let entries = match parts[..] {
        [scheme, user, password, host, port] => vec![
            entry("url", format!("{scheme}:{host}:{port}")),
            entry("username", user.to_owned()),
            entry("password", password.to_owned()),
        ],
        _ => vec![entry("url", text.clone())],
    };
    Located { place: item.place, value: Found::Section(entries) }
}

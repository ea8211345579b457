//! Which sockets are open, and which of them speak TLS.

use std::net::SocketAddr;

use crate::config::rule::{Choice, Flag, List};
use crate::config::schema::overlap;

use super::Context;
use super::draft::{list, quoted};
use super::mapping::{Mapping, Taken};
use super::report::{Kind, Origin};
use super::tls::{self, Encrypted};
use super::value::{Encryption, EncryptionRule, GoAddress};

/// A listener that is to be written.
struct Socket {
    /// Its key in `[listen]`.
    path: &'static str,
    /// `None`: off.
    address: Option<SocketAddr>,
    origin: Origin,
}

/// Collects sockets, and those that need a certificate.
#[derive(Default)]
struct Sockets {
    open: Vec<Socket>,
    /// Sockets that exist only with TLS, by their place in `open`, and names for `tls.listeners`.
    encrypted: Vec<(Encrypted, usize, Option<&'static str>)>,
}

/// Writes `[listen]` and `[tls]`.
pub(super) fn write(root: &Mapping, context: &mut Context<'_>) {
    let mut sockets = Sockets::default();
    sockets.rtsp(root, context);
    sockets.rtmp(root, context);
    sockets.hls(root, context);
    sockets.webrtc(root, context);
    for (server, keys) in [("listen.api", API), ("listen.metrics", METRICS)] {
        if root.read_or(keys.on, &Flag, false, context) {
            sockets.http(root, server, keys, context);
        }
    }
    sockets.encrypt(root, context);
    sockets.make_room(context);
    for socket in sockets.open {
        let address = socket.address.map(|address| address.to_string()).unwrap_or_default();
        context.set(socket.path, quoted(&address), &socket.origin);
    }
}

/// The keys of one of MediaMTX's HTTP servers.
#[derive(Clone, Copy)]
struct HttpKeys {
    on: &'static str,
    address: &'static str,
    port: u16,
    encryption: &'static str,
    certificate: &'static str,
    key: &'static str,
    /// In `tls.listeners`.
    name: &'static str,
}

const API: HttpKeys = HttpKeys {
    on: "api",
    address: "apiAddress",
    port: 9997,
    encryption: "apiEncryption",
    certificate: "apiServerCert",
    key: "apiServerKey",
    name: "api",
};
const METRICS: HttpKeys = HttpKeys {
    on: "metrics",
    address: "metricsAddress",
    port: 9998,
    encryption: "metricsEncryption",
    certificate: "metricsServerCert",
    key: "metricsServerKey",
    name: "metrics",
};
const HLS: HttpKeys = HttpKeys {
    on: "hls",
    address: "hlsAddress",
    port: 8888,
    encryption: "hlsEncryption",
    certificate: "hlsServerCert",
    key: "hlsServerKey",
    name: "hls",
};
const WEBRTC: HttpKeys = HttpKeys {
    on: "webrtc",
    address: "webrtcAddress",
    port: 8889,
    encryption: "webrtcEncryption",
    certificate: "webrtcServerCert",
    key: "webrtcServerKey",
    name: "webrtc",
};

impl Sockets {
    fn put(&mut self, path: &'static str, address: Option<SocketAddr>, origin: Origin) {
        self.open.push(Socket { path, address, origin });
    }

    fn rtsp(&mut self, root: &Mapping, context: &mut Context<'_>) {
        let plain = address(root, "rtspAddress", 8554, context);
        let secure = address(root, "rtspsAddress", 8322, context);
        let (rtp, rtcp) =
            (address(root, "rtpAddress", 8000, context), address(root, "rtcpAddress", 8001, context));
        let encryption = root.read_or("rtspEncryption", &EncryptionRule, Encryption::No, context);
        let udp = Self::takes_udp(root, context);
        if !root.read_or("rtsp", &Flag, true, context) {
            for path in ["listen.rtsp", "listen.rtp", "listen.rtcp"] {
                self.put(path, None, root.origin_of("rtsp"));
            }
            return;
        }
        self.both(
            root,
            "rtspEncryption",
            encryption,
            ("listen.rtsp", plain),
            ("listen.rtsps", secure),
            RTSP_FILES,
        );
        // Over RTSPS media travels on the connection.
        let udp = udp && encryption != Encryption::Strict;
        for (path, taken) in [("listen.rtp", rtp), ("listen.rtcp", rtcp)] {
            let origin = if udp { taken.origin } else { root.origin_of("rtspTransports") };
            self.put(path, taken.value.filter(|_| udp), origin);
        }
    }

    /// Whether RTSP's media may travel by UDP.
    fn takes_udp(root: &Mapping, context: &mut Context<'_>) -> bool {
        const TRANSPORTS: &[(&str, &str)] = &[("udp", "udp"), ("multicast", "multicast"), ("tcp", "tcp")];
        let Some(taken) = root.read("rtspTransports", &List(Choice(TRANSPORTS)), context) else {
            return true;
        };
        let Taken { value, origin } = taken;
        let has = |name| value.contains(&name);
        if !has("tcp") {
            context.report.note(Kind::Different, &origin, "TCP is always served");
        }
        if has("multicast") && !has("udp") {
            context.report.note(Kind::Different, &origin, "multicast is not served");
        }
        has("udp")
    }

    fn rtmp(&mut self, root: &Mapping, context: &mut Context<'_>) {
        let plain = address(root, "rtmpAddress", 1935, context);
        let secure = address(root, "rtmpsAddress", 1936, context);
        let encryption = root.read_or("rtmpEncryption", &EncryptionRule, Encryption::No, context);
        if root.read_or("rtmp", &Flag, true, context) {
            self.both(
                root,
                "rtmpEncryption",
                encryption,
                ("listen.rtmp", plain),
                ("listen.rtmps", secure),
                RTMP_FILES,
            );
        } else {
            self.put("listen.rtmp", None, root.origin_of("rtmp"));
        }
    }

    /// A protocol's listener in the open and the one in TLS.
    fn both(
        &mut self,
        root: &Mapping,
        by: &str,
        encryption: Encryption,
        (plain, address): (&'static str, Taken<Option<SocketAddr>>),
        (secure, secure_address): (&'static str, Taken<Option<SocketAddr>>),
        (certificate, key): (&'static str, &'static str),
    ) {
        let by = root.origin_of(by);
        if encryption == Encryption::Strict {
            self.put(plain, None, by.clone());
        } else {
            self.put(plain, address.value, address.origin);
        }
        if encryption != Encryption::No {
            self.encrypted.push((Encrypted { by, certificate, key }, self.open.len(), None));
            self.put(secure, secure_address.value, secure_address.origin);
        }
    }

    fn hls(&mut self, root: &Mapping, context: &mut Context<'_>) {
        if root.read_or("hls", &Flag, true, context) {
            self.http(root, "listen.hls", HLS, context);
            return;
        }
        let origin = root.origin_of("hls");
        context.report.note(
            Kind::Different,
            &origin,
            "listen.hls is off; on the other HTTP ports whoever may read has HLS",
        );
        self.put("listen.hls", None, origin);
    }

    fn webrtc(&mut self, root: &Mapping, context: &mut Context<'_>) {
        let udp = address(root, "webrtcLocalUDPAddress", 8189, context);
        let tcp = root.read("webrtcLocalTCPAddress", &GoAddress, context);
        if !root.read_or("webrtc", &Flag, true, context) {
            for path in ["listen.webrtc", "listen.ice"] {
                self.put(path, None, root.origin_of("webrtc"));
            }
            return;
        }
        self.http(root, "listen.webrtc", WEBRTC, context);
        let tcp = tcp.and_then(|tcp| Some((tcp.value?, tcp.origin)));
        match (udp.value, tcp) {
            (None, Some((tcp, origin))) => {
                context.report.note(Kind::Different, &origin, "UDP is served on the same port");
                self.put("listen.ice", Some(tcp), origin);
            }
            (Some(udp), Some((tcp, origin))) if udp.port() != tcp.port() => {
                let text =
                    "UDP and TCP have one port here, that of webrtcLocalUDPAddress; open it in the firewall";
                context.report.note(Kind::Different, &origin, text);
                self.put("listen.ice", Some(udp), root.origin_of("webrtcLocalUDPAddress"));
            }
            (address, _) => self.put("listen.ice", address, udp.origin),
        }
    }

    fn http(&mut self, root: &Mapping, path: &'static str, keys: HttpKeys, context: &mut Context<'_>) {
        let address = address(root, keys.address, keys.port, context);
        if root.read_or(keys.encryption, &Flag, false, context) {
            let by = root.origin_of(keys.encryption);
            let encrypted = Encrypted { by, certificate: keys.certificate, key: keys.key };
            self.encrypted.push((encrypted, self.open.len(), Some(keys.name)));
        }
        self.put(path, address.value, address.origin);
    }

    /// Writes the certificate; without one that can be used, what MediaMTX had in TLS is off and never in the open.
    fn encrypt(&mut self, root: &Mapping, context: &mut Context<'_>) {
        let pages = self.encrypted.iter().find(|(.., name)| matches!(name, Some("hls" | "webrtc")));
        if let Some(by) = pages.map(|(encrypted, ..)| encrypted.by.clone()) {
            context.report.note(Kind::Different, &by, "listen.http, which has the same in the open, is off");
            self.put("listen.http", None, by);
        }
        let (listeners, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.encrypted).into_iter().map(|(tls, at, name)| (tls, (at, name))).unzip();
        if tls::write(root, &listeners, context) {
            let names: Vec<_> = rest.iter().filter_map(|(_, name)| *name).collect();
            if let Some(first) = listeners.iter().zip(&rest).find(|(_, (_, name))| name.is_some()) {
                context.set("tls.listeners", list(&names), &first.0.by);
            }
        } else {
            for (at, _) in rest {
                self.open[at].address = None;
            }
        }
    }

    /// Medley's own HTTP port, which MediaMTX does not have, makes room for what has its number already.
    fn make_room(&mut self, context: &mut Context<'_>) {
        let ours = SocketAddr::from(([0, 0, 0, 0], 8080));
        if self.open.iter().any(|socket| socket.path == "listen.http") {
            return;
        }
        let other =
            self.open.iter().find(|socket| socket.address.is_some_and(|address| overlap(address, ours)));
        if let Some(socket) = other {
            let origin = socket.origin.clone();
            context.report.note(Kind::Different, &origin, "takes port 8080, so listen.http is off");
            self.put("listen.http", None, origin);
        }
    }
}

const RTSP_FILES: (&str, &str) = ("rtspServerCert", "rtspServerKey");
const RTMP_FILES: (&str, &str) = ("rtmpServerCert", "rtmpServerKey");

fn address(root: &Mapping, key: &str, port: u16, context: &mut Context<'_>) -> Taken<Option<SocketAddr>> {
    let default =
        || Taken { value: Some(SocketAddr::from(([0, 0, 0, 0], port))), origin: root.origin_of(key) };
    root.read(key, &GoAddress, context).unwrap_or_else(default)
}

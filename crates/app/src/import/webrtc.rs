//! WebRTC beyond its sockets, and whose pages may use what.

use crate::config::Place;
use crate::config::document::{Found, Located};
use crate::config::rule::{Flag, List, Rule};
use crate::config::value::{ice_server, origin};

use super::Context;
use super::draft::{list, quoted};
use super::keys::ICE_SERVER;
use super::mapping::Mapping;
use super::report::{Kind, Origin};
use super::value::Words;

/// Writes what `[webrtc]` has, and the origins of `[hls]` and `[flv]`.
pub(super) fn write(root: &Mapping, context: &mut Context<'_>) {
    ice_servers(root, context);
    hosts(root, context);
    origins(root, "webrtcAllowOrigins", &["webrtc.allow_origins"], context);
    // Who restricts HLS means players; HTTP-FLV is one more, which MediaMTX does not have.
    origins(root, "hlsAllowOrigins", &["hls.allow_origins", "flv.allow_origins"], context);
}

/// `webrtcAdditionalHosts` itself is taken by the table; this tells what is different about it.
fn hosts(root: &Mapping, context: &mut Context<'_>) {
    let own = root.read_or("webrtcIPsFromInterfaces", &Flag, true, context);
    let hosts = root.read_by("webrtcAdditionalHosts", |found| List(Words).read(found), context);
    let written = hosts.filter(|hosts| !hosts.value.is_empty());
    match written {
        Some(hosts) if own => {
            let text = "public_hosts stands instead of the interfaces' addresses, not beside them: add the server's \
                        local address if clients reach it by no other";
            context.report.note(Kind::Different, &hosts.origin, text);
        }
        None if !own => {
            let text =
                "without webrtcAdditionalHosts the addresses of the interfaces are told; set public_hosts";
            context.report.note(Kind::Decide, &root.origin_of("webrtcIPsFromInterfaces"), text);
        }
        _ => {}
    }
}

fn ice_servers(root: &Mapping, context: &mut Context<'_>) {
    let Some(entries) = root.sections("webrtcICEServers2", context) else { return };
    let mut written = Vec::new();
    for entry in entries {
        let server = Mapping::open(entry.value, ICE_SERVER, entry.origin, context);
        let Some(url) = ice_server_url(&server, context) else { continue };
        // MediaMTX asks it for the server's own address; we are told.
        if url.starts_with("stun") && !root.has("webrtcAdditionalHosts") {
            let text =
                "browsers are told of it; the server itself asks none for its address: set public_hosts";
            context.report.note(Kind::Decide, &server.origin, text);
        }
        written.push(url);
    }
    if !written.is_empty() {
        context.set("webrtc.ice_servers", list(&written), &root.origin_of("webrtcICEServers2"));
    }
}

/// The server as one text with its credentials; `None` if it cannot be written so, which is noted.
fn ice_server_url(server: &Mapping, context: &mut Context<'_>) -> Option<String> {
    let url = server.read("url", &Words, context);
    let user = server.read_or("username", &Words, String::new(), context);
    let password = server.read_or("password", &Words, String::new(), context);
    let Some(url) = url else {
        if !server.has("url") {
            context.missing(server, "url");
        }
        return None;
    };
    let mut leave_out = |why: &str| context.report.note(Kind::Decide, &server.origin, why);
    if user == "AUTH_SECRET" {
        leave_out(
            "left out: credentials made for a time (AUTH_SECRET) are not here; give it a user and a password",
        );
        return None;
    }
    let turn = url.value.starts_with("turn");
    let text = match url.value.split_once(':') {
        Some((scheme, rest)) if turn && !user.is_empty() => format!("{scheme}:{user}:{password}@{rest}"),
        _ => url.value.clone(),
    };
    let found = Located { place: Place::Whole, value: Found::Text(text.clone()) };
    if user.contains(':') || ice_server().read(&found).is_err() {
        leave_out("left out: webrtc.ice_servers cannot express it");
        return None;
    }
    Some(text)
}

/// Origins that we can express; the others may not call, which is told.
fn origins(root: &Mapping, key: &'static str, ours: &[&'static str], context: &mut Context<'_>) {
    let Some(written) = root.read(key, &List(Words), context) else { return };
    let text = |text: &String| Located { place: Place::Whole, value: Found::Text(text.clone()) };
    let (known, unknown): (Vec<_>, Vec<_>) =
        written.value.into_iter().partition(|one| origin().read(&text(one)).is_ok());
    for one in unknown.iter().filter(|one| !one.is_empty()) {
        left_out(one, &written.origin, context);
    }
    for path in ours {
        context.set(path, list(&known), &written.origin);
    }
}

fn left_out(one: &str, origin: &Origin, context: &mut Context<'_>) {
    let text =
        format!("{} is left out: an origin is \"*\" or such as \"https://clinic.example\"", quoted(one));
    context.report.note(Kind::Decide, origin, text);
}

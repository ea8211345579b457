//! The certificate: MediaMTX has one for each listener, we have one for all.

use std::path::PathBuf;

use crate::tls::files::Files;

use super::Context;
use super::draft::quoted;
use super::mapping::{Mapping, Taken};
use super::report::{Kind, Origin};
use super::value::Words;

/// A listener of MediaMTX that speaks TLS.
#[derive(Debug)]
pub(super) struct Encrypted {
    /// The key that turned it on.
    pub(super) by: Origin,
    /// The keys of its files.
    pub(super) certificate: &'static str,
    pub(super) key: &'static str,
}

/// The two files of a listener.
type Pair = (Taken<String>, Taken<String>);

/// Writes `[tls]` with the first pair of files that can be used. `false`: there is none, and nothing may speak TLS.
pub(super) fn write(root: &Mapping, encrypted: &[Encrypted], context: &mut Context<'_>) -> bool {
    let mut pairs: Vec<Pair> = Vec::new();
    for listener in encrypted {
        let certificate = file(root, listener.certificate, "server.crt", context);
        pairs.push((certificate, file(root, listener.key, "server.key", context)));
    }
    let Some((certificate, key)) = pairs.iter().find(|pair| load(pair).is_ok()) else {
        for (listener, pair) in encrypted.iter().zip(&pairs) {
            let why = load(pair).err().unwrap_or_default();
            let text = format!(
                "stays off, since its certificate cannot be used: {why}. Set tls.certificate and tls.key, then the listener"
            );
            context.report.note(Kind::Decide, &listener.by, text);
        }
        return false;
    };
    for (listener, other) in encrypted.iter().zip(&pairs) {
        if (&other.0.value, &other.1.value) != (&certificate.value, &key.value) {
            let text = "has a certificate of its own; here one pair of files serves all listeners, that of tls.certificate";
            context.report.note(Kind::Decide, &listener.by, text);
        }
    }
    context.set("tls.certificate", quoted(&certificate.value), &certificate.origin);
    context.set("tls.key", quoted(&key.value), &key.origin);
    true
}

/// Tries the files.
///
/// # Errors
/// Why they cannot be used.
fn load((certificate, key): &Pair) -> Result<(), String> {
    let files = Files { certificate: PathBuf::from(&certificate.value), key: PathBuf::from(&key.value) };
    files.load().map(drop).map_err(|error| error.to_string())
}

fn file(root: &Mapping, key: &str, default: &str, context: &mut Context<'_>) -> Taken<String> {
    let taken = root.read(key, &Words, context);
    taken.unwrap_or_else(|| Taken { value: default.to_owned(), origin: root.origin_of(key) })
}

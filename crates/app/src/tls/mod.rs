//! TLS of our own, from certificate files that are read again when they change.
//!
//! The files are looked at every two seconds rather than watched by inotify: certificates arrive by renaming, through
//! the symbolic links of a Kubernetes volume and over network file systems, of which inotify sees a different part
//! each time, and two `stat` calls cost nothing.

pub mod files;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gateway::transport::TlsAcceptor;
use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_util::sync::CancellationToken;

use files::{FileError, Files, Loaded, Stamp};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// How often the log is told of a certificate that has expired or soon will.
const REMIND: Duration = Duration::from_hours(24);

/// The certificate of all listeners, and what is needed to make them TLS. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Tls {
    files: Files,
    /// The files as they were when they were read first.
    stamp: Stamp,
    current: Arc<Current>,
}

/// What connections that come now are shown.
#[derive(Debug)]
struct Current(RwLock<Loaded>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().key))
    }
}

/// The protocol that runs inside TLS, as ALPN names it (RFC 7301 §6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inner {
    /// `http/1.1`; a client that insists on another one is refused.
    Http,
    /// RTMP and RTSP have no name.
    Unnamed,
}

impl Tls {
    /// Reads the certificate and tells the log of it.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn load(files: Files) -> Result<Self, FileError> {
        let stamp = files.stamp();
        let loaded = files.load()?;
        tell("certificate loaded", &loaded);
        Ok(Self { files, stamp, current: Arc::new(Current(RwLock::new(loaded))) })
    }

    /// For the connections of one listener, whose handshake may take `patience`. TLS 1.2 and 1.3.
    ///
    /// # Errors
    /// If the cryptography lacks what TLS needs.
    pub fn acceptor(&self, inner: Inner, patience: Duration) -> Result<TlsAcceptor, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&self.current) as _);
        if inner == Inner::Http {
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
        }
        Ok(TlsAcceptor::new(Arc::new(config), patience))
    }

    /// When the certificate that is served expires.
    pub fn not_after(&self) -> SystemTime {
        self.current.0.read().not_after
    }

    /// Takes changed files until `shutdown`. Connections that are open keep what they were shown.
    pub async fn watch(self, shutdown: CancellationToken) {
        let mut watcher = Watcher::new(self);
        let mut clock = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                _ = clock.tick() => {}
                () = shutdown.cancelled() => return,
            }
            // A network file system may take its time.
            let looked = tokio::task::spawn_blocking(move || {
                watcher.look(SystemTime::now());
                watcher
            });
            let Ok(looked) = looked.await else {
                tracing::error!("TLS: the certificate files are no longer looked at: reading them panicked");
                return;
            };
            watcher = looked;
        }
    }
}

/// Compares the files with what was seen last.
#[derive(Debug)]
struct Watcher {
    tls: Tls,
    seen: Stamp,
    /// Files that could not be used when they were looked at last.
    refused: Option<Stamp>,
    told: SystemTime,
}

impl Watcher {
    fn new(tls: Tls) -> Self {
        Self { seen: tls.stamp.clone(), tls, refused: None, told: SystemTime::now() }
    }

    fn look(&mut self, now: SystemTime) {
        let stamp = self.tls.files.stamp();
        if stamp == self.seen {
            return self.remind(now);
        }
        match self.tls.files.load() {
            Ok(loaded) => {
                let current = &self.tls.current.0;
                *current.write() = loaded;
                // Who reads this finds it served.
                tell("certificate reloaded", &current.read());
                self.told = now;
                (self.seen, self.refused) = (stamp, None);
            }
            // Certificate and key are two files: what does not fit may do so in a moment.
            Err(_) if self.refused.as_ref() != Some(&stamp) => self.refused = Some(stamp),
            Err(error) => {
                tracing::warn!(%error, "TLS: the changed files cannot be used; the old certificate stays");
                (self.seen, self.refused) = (stamp, None);
            }
        }
    }

    fn remind(&mut self, now: SystemTime) {
        if now.duration_since(self.told).is_ok_and(|since| since < REMIND) {
            return;
        }
        self.told = now;
        if let Some(doubt) = self.tls.current.0.read().doubt(now) {
            tracing::warn!("TLS: the certificate {doubt}");
        }
    }
}

fn tell(event: &str, loaded: &Loaded) {
    let now = SystemTime::now();
    match loaded.doubt(now) {
        Some(doubt) => tracing::warn!("TLS: {event}; it {doubt}"),
        None => {
            let left = loaded.not_after.duration_since(now).unwrap_or_default();
            tracing::info!(days = left.as_secs() / 86_400, "TLS: {event}");
        }
    }
}

//! The files of a certificate and its key: read, checked against each other, and told apart when they change.

use std::fmt::{self, Display};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_cert::Certificate;
use x509_cert::der::Decode;

/// The largest file that is read: a chain of certificates has some kilobytes.
const FILE_BYTES: u64 = 1 << 20;

const PEM_CERTIFICATE: &str = "accepted: a PEM file with this server's certificate first (-----BEGIN CERTIFICATE-----), then the intermediate ones";
const PEM_KEY: &str = "accepted: a PEM file with an RSA, ECDSA or Ed25519 key (-----BEGIN PRIVATE KEY-----)";

/// Where a certificate and its key are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Files {
    /// The chain, as PEM.
    pub certificate: PathBuf,
    /// The private key of its first certificate, as PEM.
    pub key: PathBuf,
}

/// Which of the two files is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// `tls.certificate`.
    Certificate,
    /// `tls.key`.
    Key,
}

impl Part {
    /// Its key in `[tls]`.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Key => "key",
        }
    }
}

/// Why the files cannot be used. Names the file, and never repeats what is in it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub struct FileError {
    /// Which of the two.
    pub part: Part,
    path: PathBuf,
    fault: Fault,
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error("has more than {FILE_BYTES} bytes")]
    TooLarge,
    #[error("holds no certificate; {PEM_CERTIFICATE}")]
    NoCertificate,
    #[error("its certificate is damaged ({0}); {PEM_CERTIFICATE}")]
    Certificate(String),
    #[error("holds no private key; {PEM_KEY}")]
    NoKey,
    #[error(
        "the key is protected by a password; accepted: the key without one (`openssl pkey -in OLD -out NEW` takes it off)"
    )]
    Password,
    #[error("the key cannot be used ({0}); {PEM_KEY}")]
    Key(String),
    #[error("the key does not belong to the first certificate in {}; accepted: the key that it was issued for", .0.display())]
    Mismatch(PathBuf),
}

/// A certificate that can be served.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The chain and its key.
    pub key: Arc<CertifiedKey>,
    /// Since when it is valid.
    pub not_before: SystemTime,
    /// Until when.
    pub not_after: SystemTime,
}

/// What the file system says of both files; differs when either has been written or replaced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stamp([Option<FileStamp>; 2]);

/// Device and inode (another file under the name, also behind symbolic links), size, and the times of the last change
/// of content and of inode in seconds and nanoseconds.
type FileStamp = (u64, u64, u64, [i64; 4]);

impl Files {
    /// Reads both files and checks that they belong together.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn load(&self) -> Result<Loaded, FileError> {
        self.chain().and_then(|chain| self.certified(chain))
    }

    /// What the file system says of both now.
    pub fn stamp(&self) -> Stamp {
        Stamp([&self.certificate, &self.key].map(|path| {
            let found = fs::metadata(path).ok()?;
            let times = [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()];
            Some((found.dev(), found.ino(), found.size(), times))
        }))
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, FileError> {
        let fault = |fault| FileError { part: Part::Certificate, path: self.certificate.clone(), fault };
        let text = read(&self.certificate).map_err(fault)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        match chain {
            Ok(chain) if chain.is_empty() => Err(fault(Fault::NoCertificate)),
            chain => chain.map_err(|error| fault(Fault::Certificate(error.to_string()))),
        }
    }

    fn certified(&self, chain: Vec<CertificateDer<'static>>) -> Result<Loaded, FileError> {
        let at = |part, path: &Path, fault| FileError { part, path: path.to_owned(), fault };
        let of_key = |fault| at(Part::Key, &self.key, fault);
        let of_certificate = |reason: &dyn Display| {
            at(Part::Certificate, &self.certificate, Fault::Certificate(reason.to_string()))
        };
        let leaf = chain.first().map(|leaf| Certificate::from_der(leaf));
        let leaf = leaf.ok_or_else(|| at(Part::Certificate, &self.certificate, Fault::NoCertificate))?;
        let leaf = leaf.map_err(|error| of_certificate(&error))?;
        let validity = leaf.tbs_certificate().validity();
        let text = read(&self.key).map_err(of_key)?;
        let key = PrivateKeyDer::from_pem_slice(&text).map_err(|_| of_key(no_key(&text)))?;
        let provider = aws_lc_rs::default_provider();
        let certified = CertifiedKey::from_der(chain, key, &provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => of_key(Fault::Mismatch(self.certificate.clone())),
            rustls::Error::InvalidCertificate(_) => of_certificate(&error),
            error => of_key(Fault::Key(error.to_string())),
        })?;
        Ok(Loaded {
            key: Arc::new(certified),
            not_before: UNIX_EPOCH + validity.not_before.to_unix_duration(),
            not_after: UNIX_EPOCH + validity.not_after.to_unix_duration(),
        })
    }
}

/// Why a text has no key: OpenSSL writes passwords' traces in two ways (RFC 5958 §3, RFC 1421 §4.6.1.1).
fn no_key(text: &[u8]) -> Fault {
    let holds = |mark: &[u8]| text.windows(mark.len()).any(|window| window == mark);
    if holds(b"BEGIN ENCRYPTED PRIVATE KEY") || holds(b"Proc-Type: 4,ENCRYPTED") {
        Fault::Password
    } else {
        Fault::NoKey
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let size = File::open(path)?.take(FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if size as u64 > FILE_BYTES { Err(Fault::TooLarge) } else { Ok(bytes) }
}

/// What an operator should know about a certificate that can be served all the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doubt {
    /// Clients refuse it already, since so many days.
    Expired(u64),
    /// They will in so many days.
    ExpiresSoon(u64),
    /// They do not take it yet, for so many days.
    NotYet(u64),
}

impl Loaded {
    /// Warned so long before the end: who renews by a program does it a month before.
    const SOON: Duration = Duration::from_hours(14 * 24);

    /// Whether clients take it at `now`.
    pub fn doubt(&self, now: SystemTime) -> Option<Doubt> {
        let days = |span: Duration| span.as_secs() / 86_400;
        if let Ok(ago) = now.duration_since(self.not_after) {
            return Some(Doubt::Expired(days(ago)));
        }
        if let Ok(left) = self.not_before.duration_since(now)
            && !left.is_zero()
        {
            return Some(Doubt::NotYet(days(left)));
        }
        let left = self.not_after.duration_since(now).unwrap_or_default();
        (left < Self::SOON).then(|| Doubt::ExpiresSoon(days(left)))
    }
}

impl Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired(days) => write!(f, "has expired ({days} days ago); clients refuse it"),
            Self::ExpiresSoon(days) => write!(f, "expires in {days} days"),
            Self::NotYet(days) => write!(f, "is not valid yet (for {days} days); clients refuse it"),
        }
    }
}

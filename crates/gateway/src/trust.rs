//! Outgoing TLS: whom the other server has to be.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::transport::{HandshakeError, Transport};

/// Time for a TLS handshake: what a camera's processor takes for an RSA key, many times over.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// The SHA-256 of a certificate (DER), as `openssl x509 -fingerprint -sha256` and browsers show it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Reads 64 hexadecimal digits, with or without colons between the bytes.
    pub fn parse(text: &str) -> Option<Self> {
        let colons = text.bytes().filter(|&byte| byte == b':').count();
        let step = match (text.len(), colons) {
            (64, 0) => 2,
            (95, 31) => 3,
            _ => return None,
        };
        let mut bytes = [0; 32];
        for (byte, at) in bytes.iter_mut().zip((0..).step_by(step)) {
            let digits =
                text.get(at..at + 2).filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        Some(Self(bytes))
    }

    fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Connects `stream` to the server `host` by TLS 1.2 or 1.3. It has to show the certificate with `fingerprint`, whoever
/// signed it for whom; without one, a certificate for `host` that the system's roots vouch for. What was shown instead is
/// told by its fingerprint: certificates are public.
///
/// # Errors
/// [`HandshakeError`], which holds no address.
pub(crate) async fn connect(
    stream: TcpStream,
    host: &str,
    fingerprint: Option<Fingerprint>,
) -> Result<Transport, HandshakeError> {
    let name = ServerName::try_from(host.to_owned()).map_err(invalid)?;
    let connector = TlsConnector::from(Arc::new(config(fingerprint)?));
    let connected = tokio::time::timeout(HANDSHAKE_TIMEOUT, connector.connect(name, stream)).await;
    Ok(Transport::client(connected.map_err(|_| HandshakeError::Timeout)??))
}

fn config(fingerprint: Option<Fingerprint>) -> io::Result<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let trust = match fingerprint {
        Some(fingerprint) => Trust::Fingerprint(fingerprint),
        None => Trust::Roots(
            WebPkiServerVerifier::builder_with_provider(system_roots()?, Arc::clone(&provider))
                .build()
                .map_err(invalid)?,
        ),
    };
    let verifier = Verifier { trust, provider: Arc::clone(&provider) };
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(builder
        .map_err(invalid)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}

/// The system's certificate authorities: some hundred, read once.
fn system_roots() -> io::Result<Arc<RootCertStore>> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(roots) = ROOTS.get() {
        return Ok(Arc::clone(roots));
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let message = "this system has no root certificates (Debian: the package ca-certificates)";
        return Err(io::Error::new(io::ErrorKind::NotFound, message));
    }
    Ok(Arc::clone(ROOTS.get_or_init(|| Arc::new(roots))))
}

#[derive(Debug)]
enum Trust {
    Roots(Arc<WebPkiServerVerifier>),
    Fingerprint(Fingerprint),
}

/// Checks the certificate by [`Trust`], and always that the server has its key.
#[derive(Debug)]
struct Verifier {
    trust: Trust,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown = Fingerprint::of(certificate);
        let told = |reason: String| {
            rustls::Error::General(format!("{reason}; the certificate's fingerprint is {shown}"))
        };
        match &self.trust {
            Trust::Roots(roots) => roots
                .verify_server_cert(certificate, intermediates, name, ocsp, now)
                .map_err(|error| told(reason(error))),
            Trust::Fingerprint(wanted) if *wanted == shown => Ok(ServerCertVerified::assertion()),
            Trust::Fingerprint(_) => Err(told("another certificate than the configured one".to_owned())),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What is wrong with a certificate. The names that it is for are not told, nor the one that was asked: it is the
/// server's address.
fn reason(error: rustls::Error) -> String {
    use rustls::CertificateError::{NotValidForName, NotValidForNameContext};
    match error {
        rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => {
            "the certificate is for another name".to_owned()
        }
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_openssl_and_mediamtx_write_them() {
        let plain = "33949e05fffb5ff3e8aa16f8213a6251b4d9363804ba53233c4da9a46d6f2739";
        let pairs: Vec<_> = (0..32).map(|at| plain[2 * at..2 * at + 2].to_uppercase()).collect();
        let read = Fingerprint::parse(plain).unwrap();
        assert_eq!(Fingerprint::parse(&pairs.join(":")), Some(read));
        assert_eq!(read.to_string(), plain);
        let wrong = [
            &plain[1..],
            &pairs.join("-"),
            &plain.replace('3', "g"),
            &plain.replace('3', "+"),
            &":".repeat(64),
            "",
        ];
        for wrong in wrong {
            assert_eq!(Fingerprint::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn who_is_not_vouched_for_is_told_without_names() {
        let context = rustls::CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("camera.clinic.example").unwrap(),
            presented: vec!["DnsName(\"other.clinic.example\")".to_owned()],
        };
        let told = reason(rustls::Error::InvalidCertificate(context));
        assert_eq!(told, "the certificate is for another name");
        let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        assert!(reason(unknown).contains("UnknownIssuer"));
    }
}

//! What a peer is set up with.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use media::Pii;
use str0m::config::{CryptoProvider, DtlsCert};

/// How a peer is set up. What is random is given by the caller, so that a test repeats exactly.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which half of ICE this side plays.
    pub ice: IceMode,
    /// Our ICE credentials; the user fragment is what [`crate::stun::ufrag_of`] finds in the peer's first datagram.
    pub credentials: Credentials,
    /// Where peers reach us, best first. A datagram's `destination` must be one of these, not 0.0.0.0.
    pub addresses: Vec<Address>,
    /// The process's certificate.
    pub certificate: Certificate,
    /// Who begins the DTLS handshake.
    pub dtls: DtlsRole,
    /// Bandwidth estimation towards a reader.
    pub estimation: Estimation,
    /// What is kept for retransmission to a reader.
    pub retransmission: Retransmission,
    /// Time for ICE and DTLS together.
    pub connect_timeout: Duration,
    /// Random number from which RTP timestamps and sequence numbers start (RFC 3550 §5.1).
    pub seed: u64,
}

impl Config {
    /// A configuration with the usual values: ICE-lite, DTLS as a server, no pacing, 10 s to connect.
    pub const fn new(credentials: Credentials, certificate: Certificate, seed: u64) -> Self {
        Self {
            ice: IceMode::Lite,
            credentials,
            addresses: Vec::new(),
            certificate,
            dtls: DtlsRole::Server,
            estimation: Estimation::Receiver,
            retransmission: Retransmission::DEFAULT,
            connect_timeout: Duration::from_secs(10),
            seed,
        }
    }
}

/// Which half of ICE this side plays.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum IceMode {
    /// Answer checks only (RFC 8445 §2.5), and take the first authenticated check for the nomination.
    ///
    /// Chromium does not nominate towards a lite agent before a pair is selected and writable; only its second check,
    /// some 50 to 100 ms after the first, carries USE-CANDIDATE, and until then DTLS has nobody to answer. The
    /// first check has already proven everything that the second one proves again. A later nomination by the peer
    /// still decides.
    ///
    /// Chromium 156 on loopback, three joins each on a busy two-core machine, from the POST to the first painted
    /// picture: 51 to 115 ms; with [`Self::LiteStrict`] 95 to 148 ms; with [`Self::Full`] 353 to 829 ms (str0m sends
    /// its checks 50 ms apart, to each of the browser's candidates in turn).
    #[default]
    Lite,
    /// As [`Self::Lite`], but waits for the peer's nomination.
    LiteStrict,
    /// Checks of our own too; for peers that are reachable and servers that may not be.
    Full,
}

/// Who begins the DTLS handshake when the offer leaves the choice (RFC 8842 §5.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DtlsRole {
    /// The peer does (`a=setup:passive` in the answer).
    #[default]
    Server,
    /// We do, as soon as a pair is nominated (`a=setup:active`, what RFC 8842 §5.3 recommends for answers).
    Client,
}

/// How the bandwidth towards a reader is estimated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Estimation {
    /// Not at all.
    Off,
    /// By the reader (REMB over absolute send times): no pacing, no feedback per packet, nothing added to latency.
    #[default]
    Receiver,
    /// Here, from transport-wide feedback (TWCC). str0m then paces: it sends one packet per
    /// [`crate::Peer::handle_timeout`] and holds back what exceeds the estimate. A pass-through server cannot lower
    /// the publisher's rate, so what is held back is late: with Chromium 156 on a busy machine the estimate fell from
    /// 2.0 to 0.66 Mbit/s within a second, and 86 of 200 pictures of a 1.5 Mbit/s stream were decoded in eight seconds
    /// (unpaced: 197).
    Sender {
        /// The estimate to start from, in bit/s.
        initial: u64,
        /// The rate that probing tries to confirm, in bit/s.
        desired: u64,
    },
}

/// What is kept of a sent video track to answer NACKs (RFC 4585 §6.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retransmission {
    /// At most so many packets.
    pub packets: usize,
    /// For at most so long.
    pub age: Duration,
}

impl Retransmission {
    /// More than half a second at 2 Mbit/s: two attempts on a line with 200 ms of round trip, and 70 KiB a reader (the
    /// payloads are shared, str0m's entry for a packet is not).
    pub const DEFAULT: Self = Self { packets: 160, age: Duration::from_millis(600) };
}

/// ICE credentials (RFC 8839 §5.4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credentials {
    /// User fragment, 4 to 256 characters of `A-Z a-z 0-9 + /`; names the session in the first datagram.
    pub ufrag: String,
    /// Password, 22 to 256 of the same characters.
    pub pwd: Pii<String>,
}

/// A transport of ICE candidates.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Proto {
    /// UDP.
    Udp,
    /// TCP, with the framing of RFC 4571; we are the passive side (RFC 6544).
    Tcp,
}

/// An address of ours that peers can reach.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Address {
    /// The transport.
    pub proto: Proto,
    /// Where we listen.
    pub addr: SocketAddr,
}

/// A DTLS certificate with its key. Made once per process and shared: generating one takes longer than a handshake.
#[derive(Clone)]
pub struct Certificate(pub(crate) DtlsCert);

impl Certificate {
    /// A new self-signed certificate (P-256), valid for this process.
    ///
    /// # Errors
    /// `None` if the operating system gives no randomness.
    pub fn generate() -> Option<Self> {
        let provider: CryptoProvider = str0m::crypto::from_feature_flags();
        provider.dtls_provider.generate_certificate().map(Self)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate(..)")
    }
}

//! The client's side.

use super::digest::{self, Side};
use super::{
    BLOCK, Block, Collect, Error, Progress, Scheme, VERSION, check_version, filled, first_block, version_of,
};
use bytes::{BufMut, BytesMut};

/// What C1 carries as version in the digest form: Flash Player 9.0.124.2, the first that servers expect digests from.
const CLIENT_VERSION: [u8; 4] = [9, 0, 124, 2];

/// A client's handshake.
#[derive(Debug)]
pub struct Client {
    seed: u64,
    c1: Box<Block>,
    scheme: Option<Scheme>,
    state: State,
    server_proved: Option<bool>,
}

#[derive(Debug)]
enum State {
    /// S0 and S1.
    First(Collect),
    /// S2, and the digest of S1 if it had one.
    Second(Collect),
    Done,
}

impl Client {
    /// The specification's handshake. `seed` makes the random bytes.
    pub fn simple(seed: u64) -> Self {
        Self::new(seed, None)
    }

    /// The handshake with a digest hidden by `scheme`.
    pub fn digest(seed: u64, scheme: Scheme) -> Self {
        Self::new(seed, Some(scheme))
    }

    fn new(mut seed: u64, scheme: Option<Scheme>) -> Self {
        let mut c1 = Box::new(first_block(&mut seed, scheme.map_or([0; 4], |_| CLIENT_VERSION)));
        if let Some(scheme) = scheme {
            digest::sign_first(&mut c1, Side::Client, scheme);
        }
        Self { seed, c1, scheme, state: State::First(Collect::new(1 + BLOCK)), server_proved: None }
    }

    /// Appends C0 and C1: the client speaks first.
    pub fn start(&self, out: &mut BytesMut) {
        out.put_u8(VERSION);
        out.put_slice(&*self.c1);
    }

    /// In the digest form, whether the server answered with right digests; `None` in the simple form or before S2. A
    /// wrong answer is no reason to leave: servers of the simple form echo C1 to any client.
    pub const fn server_proved(&self) -> Option<bool> {
        self.server_proved
    }

    /// Takes bytes from the front of `input` and appends C2 to `out` when its time has come.
    ///
    /// # Errors
    /// [`Error::Version`] for a first byte other than 3.
    pub fn advance(&mut self, input: &mut &[u8], out: &mut BytesMut) -> Result<Progress, Error> {
        loop {
            match &mut self.state {
                State::First(collect) => {
                    check_version(collect, input)?;
                    let Some(first) = collect.take(input) else {
                        return Ok(Progress::Pending);
                    };
                    let s1 = first.last_chunk::<BLOCK>().expect("collected S0 and a whole block");
                    self.answer(s1, out);
                    self.state = State::Second(Collect::new(BLOCK));
                }
                State::Second(collect) => {
                    let Some(s2) = collect.take(input) else {
                        return Ok(Progress::Pending);
                    };
                    let s2 = s2.first_chunk::<BLOCK>().expect("collected a whole block");
                    self.check(s2);
                    self.state = State::Done;
                }
                State::Done => return Ok(Progress::Done),
            }
        }
    }

    fn answer(&mut self, s1: &Block, out: &mut BytesMut) {
        let signed = self.scheme.is_some() && version_of(s1) != [0; 4];
        let found = if signed { digest::find_first(s1, Side::Server) } else { None };
        self.server_proved = self.scheme.map(|_| found.is_some());
        match found {
            None => out.put_slice(s1),
            Some((_, s1_digest)) => {
                let mut c2 = filled(&mut self.seed);
                digest::sign_second(&mut c2, Side::Client, &s1_digest);
                out.put_slice(&c2);
            }
        }
    }

    fn check(&mut self, s2: &Block) {
        let Some(proved) = &mut self.server_proved else {
            return;
        };
        let (_, c1_digest) =
            digest::find_first(&self.c1, Side::Client).expect("C1 was signed when it was made");
        *proved &= digest::verify_second(s2, Side::Server, &c1_digest);
    }
}

//! The server's side.

use super::digest::{self, Side};
use super::{
    BLOCK, Block, Collect, Error, Progress, Scheme, VERSION, check_version, filled, first_block, version_of,
};
use bytes::{BufMut, BytesMut};

/// What S1 carries as version in the digest form: ffmpeg checks digests only of servers whose first byte is 3 or more.
const SERVER_VERSION: [u8; 4] = [4, 5, 0, 1];

/// A server's handshake.
#[derive(Debug)]
pub struct Server {
    seed: u64,
    state: State,
    scheme: Option<Scheme>,
}

#[derive(Debug)]
enum State {
    /// C0 and C1.
    First(Collect),
    /// C2. Its content is not checked: some clients send zeros or repeat the wrong block, and it proves nothing.
    Second(Collect),
    Done,
}

impl Server {
    /// Waits for C0. `seed` makes the random bytes.
    pub fn new(seed: u64) -> Self {
        Self { seed, state: State::First(Collect::new(1 + BLOCK)), scheme: None }
    }

    /// The scheme of the client's digest; `None` for the simple form.
    pub const fn scheme(&self) -> Option<Scheme> {
        self.scheme
    }

    /// Takes bytes from the front of `input` and appends the answer to `out`.
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
                    let c1 = first.last_chunk::<BLOCK>().expect("collected C0 and a whole block");
                    self.answer(c1, out);
                    self.state = State::Second(Collect::new(BLOCK));
                }
                State::Second(collect) => {
                    if collect.take(input).is_none() {
                        return Ok(Progress::Pending);
                    }
                    self.state = State::Done;
                }
                State::Done => return Ok(Progress::Done),
            }
        }
    }

    /// S0, S1 and S2 in one go: the client has nothing to add before it has all three.
    fn answer(&mut self, c1: &Block, out: &mut BytesMut) {
        let found = if version_of(c1) == [0; 4] { None } else { digest::find_first(c1, Side::Client) };
        out.reserve(1 + 2 * BLOCK);
        out.put_u8(VERSION);
        match found {
            None => {
                out.put_slice(&first_block(&mut self.seed, [0; 4]));
                out.put_slice(c1);
            }
            Some((scheme, c1_digest)) => {
                self.scheme = Some(scheme);
                let mut s1 = first_block(&mut self.seed, SERVER_VERSION);
                digest::sign_first(&mut s1, Side::Server, scheme);
                out.put_slice(&s1);
                let mut s2 = filled(&mut self.seed);
                digest::sign_second(&mut s2, Side::Server, &c1_digest);
                out.put_slice(&s2);
            }
        }
    }
}

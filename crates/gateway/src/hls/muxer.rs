//! A muxer as those who ask for its files see it.

use std::time::{Duration, Instant};

use ::hls::Missing;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::sessions::{Entry, HlsMuxer};

/// Letters and digits of an instance's name: 62^8 are enough that none comes twice to one cache.
const INSTANCE: usize = 8;

/// Shared by the task that feeds it and the requests for its files.
#[derive(Debug)]
pub(super) struct Muxer {
    pub(super) entry: Entry<HlsMuxer>,
    state: Mutex<State>,
    /// Counts up when there is something new.
    news: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    /// `None` until the tracks are known.
    muxer: Option<::hls::Muxer>,
    last_request: Instant,
    /// Nothing new will come.
    over: bool,
}

impl Muxer {
    pub(super) fn new(entry: Entry<HlsMuxer>) -> Self {
        let state = State { muxer: None, last_request: Instant::now(), over: false };
        Self { entry, state: Mutex::new(state), news: watch::Sender::new(0) }
    }

    /// Puts a muxer in the place of the one before.
    pub(super) fn replace(&self, muxer: ::hls::Muxer) {
        self.state.lock().muxer = Some(muxer);
        self.tell();
    }

    /// Changes the muxer, if the tracks are known.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut ::hls::Muxer) -> T) -> Option<T> {
        self.state.lock().muxer.as_mut().map(change)
    }

    /// Wakes who waits.
    pub(super) fn tell(&self) {
        self.news.send_modify(|version| *version = version.wrapping_add(1));
    }

    /// Nothing new will come: the stream has ended, or the muxer has.
    pub(super) fn finish(&self) {
        self.state.lock().over = true;
        self.tell();
    }

    pub(super) fn is_over(&self) -> bool {
        self.state.lock().over
    }

    pub(super) fn is_instance(&self, instance: &str) -> bool {
        self.state.lock().muxer.as_ref().is_some_and(|muxer| muxer.instance() == instance)
    }

    /// Notes that somebody asks for something.
    pub(super) fn requested(&self) {
        self.entry.requested();
        self.state.lock().last_request = Instant::now();
    }

    /// For how long nobody has asked for anything.
    pub(super) fn idle(&self) -> Duration {
        self.state.lock().last_request.elapsed()
    }

    /// What `ask` finds in the muxer, now or when it is there. Cancel-safe.
    ///
    /// # Errors
    /// [`Missing::NotYet`] if it was not there at `deadline`; `ask`'s other reasons; [`Missing::Gone`] if it is not there
    /// when nothing new will come.
    pub(super) async fn when_there<T>(
        &self,
        deadline: tokio::time::Instant,
        ask: impl Fn(&::hls::Muxer) -> Result<T, Missing>,
    ) -> Result<T, Missing> {
        let mut news = self.news.subscribe();
        loop {
            news.mark_unchanged();
            let (found, over) = {
                let state = self.state.lock();
                (state.muxer.as_ref().map_or(Err(Missing::NotYet), &ask), state.over)
            };
            match found {
                Err(Missing::NotYet) if over => return Err(Missing::Gone),
                Err(Missing::NotYet) => {}
                found => return found,
            }
            self.requested();
            if !matches!(tokio::time::timeout_at(deadline, news.changed()).await, Ok(Ok(()))) {
                return Err(Missing::NotYet);
            }
        }
    }
}

/// The name of a new instance.
pub(super) fn instance() -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let random: [u8; INSTANCE] = super::viewer::random();
    random.iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect()
}

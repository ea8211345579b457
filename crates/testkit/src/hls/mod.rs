//! HLS by the letter of draft-pantos-hls-rfc8216bis ("HLS2" in comments): a player that measures, and a checker of
//! playlists. Both share no code with the server's own `hls` crate, which they judge.
//!
//! | module | what it gives |
//! |---|---|
//! | [`playlist`] | playlists as they are read |
//! | [`check`] | the rules that they must keep, alone and over time |
//! | [`Player`] | reads a stream as a player does, low latency or not |
//! | [`Playback`] | when a player shows what it got |

mod attributes;
pub mod check;
mod playback;
mod player;
pub mod playlist;
mod rendition;
mod session;
mod transport_stream;
mod wallclock;

pub use playback::Playback;
pub use player::{Arrived, Event, Player, Start};

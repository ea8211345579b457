//! HLS by the letter of draft-pantos-hls-rfc8216bis ("HLS2" in comments): a checker of playlists, which shares no
//! code with the server's own `hls` crate that it judges.
//!
//! | module | what it gives |
//! |---|---|
//! | [`playlist`] | playlists as they are read |
//! | [`check`] | the rules that they must keep, alone and over time |

mod attributes;
pub mod check;
pub mod playlist;
mod wallclock;

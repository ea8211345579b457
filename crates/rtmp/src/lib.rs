//! RTMP 1.0 (Adobe, 2012) without IO: bytes and time in, bytes and events out. Publish and play, server and client.
//!
//! | | server | client |
//! |---|---|---|
//! | publish | [`session::ServerSession`], `Event::PublishRequested` then `Event::Media` | [`session::ClientSession`], `send_media` |
//! | play | [`session::ServerSession`], `Event::PlayRequested` then the bytes of [`wire`] | [`session::ClientSession`], `ClientEvent::Media` |
//!
//! Below the sessions, each usable alone:
//!
//! | module | what it knows |
//! |---|---|
//! | [`handshake`] | §5.2, simple and digest |
//! | [`chunk`] | §5.3 and §5.4.1-2: messages cut into interleaved chunks, and back |
//! | [`amf0`] | values of commands and metadata |
//! | [`message`] | what the messages say |
//! | [`wire`] | media messages as bytes that all readers share |
//!
//! Section numbers without a name are those of "Adobe's Real Time Messaging Protocol", 21 December 2012.
#![forbid(unsafe_code)]

pub mod amf0;
pub mod capabilities;
pub mod chunk;
mod error;
pub mod handshake;
pub mod message;
pub mod metadata;
pub mod session;
mod target;
pub mod wire;

pub use capabilities::Capabilities;
pub use error::{Error, Order};
pub use message::{Media, MediaKind};
pub use metadata::Metadata;
pub use target::StreamTarget;

/// What the other side says of itself, fit for a log line: printable ASCII, at most 64 characters.
fn sanitize(text: &str) -> String {
    let printable = |character: char| if matches!(character, ' '..='~') { character } else { '?' };
    text.chars().take(64).map(printable).collect()
}

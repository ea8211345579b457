//! Conversations: [`ServerSession`] and [`ClientSession`].
//!
//! Both are driven alike. `handle_input` takes what it understands off the front of a buffer in which bytes gather as
//! they arrive, `handle_timeout` is due at `poll_timeout`, and after any call (these, or an answer like `accept_read`)
//! `poll_output` is drained until it returns `None`. No thread, no socket, no clock: time is an argument.

mod client;
mod server;

pub use client::{ClientConfig, ClientEvent, ClientSession, ClientTrack, Lower, Url, UrlError};
pub use server::{Access, Config, Event, Offered, Refusal, RtpInfo, ServerSession, Setup, UdpPorts};

use bytes::Bytes;

/// What a session wants done. Bytes always come before the events that they were made with, so a
/// [`Event::Close`] means that everything to be sent has been handed out.
#[derive(Clone, PartialEq, Debug)]
pub enum Output<E> {
    /// Bytes for the connection.
    Write(Bytes),
    /// Something for the owner of the session.
    Event(E),
}

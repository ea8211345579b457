//! WebSocket-FLV: the file in messages, a tag each.

use std::collections::VecDeque;

use axum::extract::ws::{Message, WebSocket};
use hub::Protocol;

use super::WRITE_TIMEOUT;
use super::reader::Reader;
use crate::sessions::count;

/// Why a session is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
enum Ended {
    #[error("the peer left")]
    Left,
    #[error("kicked through the API")]
    Kicked,
    #[error("done")]
    Done,
}

/// Sends a message for each tag, until the stream ends or the reader leaves.
pub(super) async fn run(mut reader: Reader, mut socket: WebSocket) {
    let sessions = reader.sessions.clone();
    let served = sessions.contain(Protocol::Flv, serve(&mut reader, &mut socket)).await;
    if let Some(ended) = served {
        reader.ended(&ended);
        // Refused only by a reader that has left.
        let _ = socket.send(Message::Close(None)).await;
    }
}

async fn serve(reader: &mut Reader, socket: &mut WebSocket) -> Ended {
    let mut tags = VecDeque::from([reader.egress.framing().file_header()]);
    let mut goes_on = true;
    loop {
        while let Some(tag) = tags.pop_front() {
            count(&reader.entry.bytes_out, tag.len());
            let sent = tokio::time::timeout(WRITE_TIMEOUT, socket.send(Message::Binary(tag)));
            if !matches!(sent.await, Ok(Ok(()))) {
                return Ended::Left;
            }
        }
        if !goes_on {
            return Ended::Done;
        }
        tokio::select! {
            biased;
            () = reader.entry.kicked() => {
                return Ended::Kicked;
            }
            delivery = reader.egress.next() => goes_on = reader.deliver(delivery, &mut tags),
            message = socket.recv() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Ended::Left,
                Some(Ok(_)) => {}
            },
        }
    }
}

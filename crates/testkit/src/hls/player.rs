//! A player of one stream: the multivariant playlist, and a task for each of its renditions.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use media::{Frame, Kind};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::check::{self, Violation};
use super::playlist::Multivariant;
use super::rendition::Rendition;
use super::session::{Session, resolve};

/// Events that may wait for their reader.
const WAITING: usize = 1_024;

/// Where a player begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Start {
    /// PART-HOLD-BACK, or HOLD-BACK, behind the end of the first playlist that it gets (§6.3.3). That playlist is up to
    /// a part old, which stays in the distance behind live.
    #[default]
    FirstPlaylist,
    /// As far behind the end of the second playlist, which it waits for: by a blocking reload it comes as soon as its last
    /// part is there. Without parts as [`Self::FirstPlaylist`].
    FreshPlaylist,
}

/// A frame that has arrived.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// Picture or sound.
    pub kind: Kind,
    /// As it stands in the media.
    pub frame: Frame,
    /// When the last byte of its part or segment was there, on the clock of [`crate::stamp::nanos`].
    pub at: u64,
    /// Whether a player shows it: those between the random access point and the start are decoded only.
    pub shown: bool,
}

/// What a player meets.
#[derive(Debug)]
pub enum Event {
    /// A frame, in order of decoding within its track.
    Frame(Arrived),
    /// A rule that a playlist or its media breaks; playing goes on where it can.
    Violation(Violation),
}

/// Plays one stream as the draft asks players to, and checks every playlist and every fMP4 piece that it gets.
///
/// With parts it reloads blocking and asks for the hinted part at the same time (§6.3.7, §6.3.8); without parts it
/// reloads blocking where that is offered, else once in a target duration (§6.3.4). The first variant is taken, with the
/// alternative audio that it names.
#[derive(Debug)]
pub struct Player {
    session: Session,
    events: mpsc::Receiver<Result<Event>>,
    _tasks: JoinSet<()>,
}

impl Player {
    /// Gets the playlist at `path`, multivariant or media, and begins.
    ///
    /// # Errors
    /// If there is no playlist that can be read.
    pub async fn join(server: SocketAddr, path: &str, start: Start) -> Result<Self> {
        let session = Session::new(server);
        let (answer, path) = session.lane().get(path).await?;
        ensure!(answer.status.is_success(), "{path}: the server answers {}", answer.status);
        let text = answer.text();
        let (sender, events) = mpsc::channel(WAITING);
        let mut paths = Vec::new();
        if Multivariant::is_one(&text) {
            for violation in check::multivariant(&text) {
                sender.send(Ok(Event::Violation(violation))).await?;
            }
            paths.extend(renditions(&Multivariant::parse(&text)?, &path)?);
        } else {
            paths.push(path);
        }
        let mut tasks = JoinSet::new();
        for path in paths {
            let rendition = Rendition::new(&session, path, start, sender.clone());
            let sender = sender.clone();
            tasks.spawn(async move {
                if let Err(error) = rendition.run().await {
                    // A player that is gone needs no error.
                    let _ = sender.send(Err(error)).await;
                }
            });
        }
        Ok(Self { session, events, _tasks: tasks })
    }

    /// Bytes of playlists and media that came so far.
    pub fn received(&self) -> u64 {
        self.session.received()
    }

    /// What comes next.
    ///
    /// # Errors
    /// If a rendition cannot be played further, or all have ended.
    pub async fn next(&mut self) -> Result<Event> {
        self.events.recv().await.context("the stream has ended")?
    }
}

/// The playlists of the first variant and of its audio.
fn renditions(playlist: &Multivariant, path: &str) -> Result<Vec<String>> {
    let variant = playlist.variants.first().context("no variant")?;
    let group = variant.audio.as_ref().map(|group| {
        playlist.alternatives.iter().filter(move |other| other.kind == "AUDIO" && other.group == *group)
    });
    let audio = group.and_then(|group| group.max_by_key(|other| other.default));
    let uris = std::iter::once(&variant.uri).chain(audio.and_then(|audio| audio.uri.as_ref()));
    uris.map(|uri| resolve(path, uri)).collect()
}

#[cfg(test)]
mod tests;

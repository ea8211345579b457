//! Readers at the live edge, served together: one task hands each frame to all of them, one after the other.
//!
//! A reader with a task of its own costs a wake-up, a look at the log and a turn of its session for each frame, which is
//! a third of what its write costs the kernel. So a session that has caught up gives its [`Sink`] to the stream
//! ([`Subscription::attach`](crate::Subscription::attach)) and sleeps until there is more to do than to pass frames on.

use std::any::Any;
use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use media::TrackId;
use parking_lot::Mutex;

use crate::frame::{LiveFrame, StreamFrame};
use crate::stream::{State, Stream};

/// Readers whom one task serves. The last waits for the writes to all before it, 2 to 3 us each, and more than one task
/// uses more than one core.
const SEATS: usize = 64;
/// Frames that a task hands on before it lets others run.
const BATCH: usize = 8;

/// Takes one reader's frames without waiting. A panic in it ends the session that it belongs to and no other.
pub trait Sink: Send + 'static {
    /// Takes a frame of one of the reader's tracks. What it cannot do with it now it keeps for the session, and says
    /// `false`: the reader has to go on by itself.
    fn take(&mut self, frame: &LiveFrame) -> bool;
}

/// What a stream knows of one of its tasks.
#[derive(Debug)]
pub(crate) struct Group {
    taken: Arc<AtomicUsize>,
    /// Not yet seen by the task.
    joining: Vec<Seated>,
}

/// A reader whose tracks are those of the stream's `tracks_version`.
#[derive(Debug)]
struct Seated {
    version: u64,
    seat: Arc<dyn Seat>,
}

/// A reader as its group's task sees it.
trait Seat: Send + Sync + fmt::Debug {
    /// Hands over the frame at `position` of the log; payload bytes that it took, `None` once it has left.
    fn give(&self, position: u64, frame: &LiveFrame) -> Option<usize>;

    /// Whether somebody sits here.
    fn is_taken(&self) -> bool;

    /// Makes its session go on by itself.
    fn dismiss(&self);
}

/// Empty once the session has taken its sink back.
struct Place<S>(Mutex<Option<Occupant<S>>>);

struct Occupant<S> {
    sink: S,
    /// Position of the next frame.
    cursor: u64,
    tracks: Tracks,
    dismissed: bool,
    panic: Option<Box<dyn Any + Send>>,
    waker: Option<Waker>,
}

/// One for pictures, one for sound.
pub(crate) type Tracks = [Option<TrackId>; 2];

/// A reader that is served together with others. Dropping this leaves its subscription where the attachment began.
pub struct Attached<S> {
    place: Arc<Place<S>>,
    taken: Arc<AtomicUsize>,
}

impl Group {
    fn join(&mut self, seated: Seated) {
        // While no frame comes the task does not look, and a peer that talks makes its session come and go.
        if self.joining.len() >= SEATS {
            self.joining.retain(|seated| seated.seat.is_taken());
        }
        self.joining.push(seated);
    }
}

impl<S: Sink> Attached<S> {
    /// Puts a reader that is at the end of the log among those who are served together.
    pub(crate) fn new(stream: &Arc<Stream>, state: &mut State, tracks: Tracks, sink: S) -> Self {
        let cursor = state.log.end();
        let occupant = Occupant { sink, cursor, tracks, dismissed: false, panic: None, waker: None };
        let place = Arc::new(Place(Mutex::new(Some(occupant))));
        let seated = Seated { version: state.tracks_version, seat: Arc::clone(&place) as _ };
        let with_room = |group: &&mut Group| group.taken.load(Ordering::Relaxed) < SEATS;
        let taken = match state.groups.iter_mut().find(with_room) {
            Some(group) => {
                group.taken.fetch_add(1, Ordering::Relaxed);
                group.join(seated);
                Arc::clone(&group.taken)
            }
            None => {
                let taken = Arc::new(AtomicUsize::new(1));
                state.groups.push(Group { taken: Arc::clone(&taken), joining: vec![seated] });
                let task = Task { taken: Arc::clone(&taken), seats: Vec::new(), next: cursor };
                tokio::spawn(task.run(Arc::clone(stream)));
                taken
            }
        };
        Self { place, taken }
    }

    /// Waits until the reader has to go on by itself: the sink said so, the tracks changed, the stream ended. Cancel-safe.
    pub async fn dismissed(&self) {
        poll_fn(|context| match &mut *self.place.0.lock() {
            Some(occupant) if !occupant.dismissed => {
                occupant.waker = Some(context.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(()),
        })
        .await;
    }

    /// The position behind the last frame that the sink took, and the sink.
    ///
    /// # Panics
    /// As the sink did, if it did.
    #[expect(clippy::expect_used, reason = "see the message")]
    pub(crate) fn release(self) -> (u64, S) {
        let occupant = self.place.0.lock().take();
        let occupant =
            occupant.expect("a place is emptied here and in `drop`, each of which ends the handle");
        if let Some(panic) = occupant.panic {
            resume_unwind(panic);
        }
        (occupant.cursor, occupant.sink)
    }
}

impl<S> Drop for Attached<S> {
    fn drop(&mut self) {
        // The sink's socket must not stay open until the task sees that nobody sits here.
        drop(self.place.0.lock().take());
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<S> fmt::Debug for Attached<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attached").finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for Place<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

impl<S: Sink> Seat for Place<S> {
    fn give(&self, position: u64, frame: &LiveFrame) -> Option<usize> {
        let mut place = self.0.lock();
        let occupant = place.as_mut().filter(|occupant| !occupant.dismissed)?;
        let frame_of_stream = frame.frame().frame();
        if position < occupant.cursor {
            return Some(0);
        }
        occupant.cursor = position + 1;
        if !occupant.tracks.contains(&Some(frame_of_stream.track)) {
            return Some(0);
        }
        match catch_unwind(AssertUnwindSafe(|| occupant.sink.take(frame))) {
            Ok(true) => {}
            Ok(false) => occupant.dismiss(),
            Err(panic) => {
                occupant.panic = Some(panic);
                occupant.dismiss();
            }
        }
        Some(frame_of_stream.payload.len())
    }

    fn is_taken(&self) -> bool {
        self.0.lock().as_ref().is_some_and(|occupant| !occupant.dismissed)
    }

    fn dismiss(&self) {
        if let Some(occupant) = &mut *self.0.lock() {
            occupant.dismiss();
        }
    }
}

impl<S> Occupant<S> {
    fn dismiss(&mut self) {
        self.dismissed = true;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// Serves one group until nobody is left in it.
struct Task {
    /// Names the group.
    taken: Arc<AtomicUsize>,
    seats: Vec<Seated>,
    /// Position of the next frame.
    next: u64,
}

impl Task {
    async fn run(mut self, stream: Arc<Stream>) {
        let mut head = stream.watch_head();
        let mut frames = Vec::with_capacity(BATCH);
        while self.collect(&mut stream.lock(), stream.options().queue, &mut frames) {
            let more = frames.len() == BATCH;
            self.serve(&stream, &mut frames);
            if more {
                tokio::task::yield_now().await;
            } else if !self.seats.is_empty() {
                // Cannot fail: `stream` holds the sender.
                let _ = head.changed().await;
            }
        }
    }

    /// Takes in who joined, sends away who has to go on alone, and collects what comes next. `false`: nobody is left.
    fn collect(&mut self, state: &mut State, queue: Duration, frames: &mut Vec<Arc<StreamFrame>>) -> bool {
        let group = state.groups.iter_mut().find(|group| Arc::ptr_eq(&group.taken, &self.taken));
        self.seats.extend(group.into_iter().flat_map(|group| group.joining.drain(..)));
        // Each of those who are late decides by itself where to go on.
        let late = match (state.log.get(self.next), state.log.last()) {
            (Some(next), Some(newest)) => newest.arrived().saturating_duration_since(next.arrived()) > queue,
            _ => self.next < state.log.end(),
        };
        let all = late || state.ended.is_some();
        let version = state.tracks_version;
        self.seats.retain(|seated| {
            let stays = seated.version == version && !all;
            if !stays {
                seated.seat.dismiss();
            }
            stays
        });
        if self.seats.is_empty() {
            state.groups.retain(|group| !Arc::ptr_eq(&group.taken, &self.taken));
            return false;
        }
        let upto = state.log.end().min(self.next + BATCH as u64);
        frames.extend((self.next..upto).filter_map(|at| state.log.get(at)).map(Arc::clone));
        true
    }

    /// Hands each of `frames` to all.
    fn serve(&mut self, stream: &Stream, frames: &mut Vec<Arc<StreamFrame>>) {
        let mut bytes = 0;
        for frame in frames.drain(..) {
            let frame = LiveFrame::new(frame, None);
            self.seats.retain(|seated| {
                let taken = seated.seat.give(self.next, &frame);
                bytes += taken.unwrap_or(0) as u64;
                taken.is_some()
            });
            self.next += 1;
        }
        stream.count_out(bytes);
    }
}

#[cfg(test)]
mod tests {
    use media::StreamPath;

    use super::*;
    use crate::directory::Options;
    use crate::stream::Watcher;

    #[derive(Debug)]
    struct Nobody;

    impl Watcher for Nobody {
        fn available(&self, _: &StreamPath) {}
        fn unavailable(&self, _: &StreamPath) {}
        fn abandoned(&self, _: &StreamPath) {}
        fn ended(&self, _: &StreamPath, _: &Stream) {}
    }

    struct Nothing;

    impl Sink for Nothing {
        fn take(&mut self, _: &LiveFrame) -> bool {
            true
        }
    }

    #[tokio::test]
    async fn who_comes_and_goes_while_no_frame_comes_leaves_nothing_behind() {
        let path = StreamPath::new("ward").unwrap();
        let stream = Arc::new(Stream::new(path, Options::default(), Arc::default(), Box::new(Nobody)));
        let attach = || Attached::new(&stream, &mut stream.lock(), Tracks::default(), Nothing);
        let staying: Vec<_> = (0..SEATS - 1).map(|_| attach()).collect();
        for _ in 0..1_000 {
            drop(attach());
        }
        let waiting: Vec<_> = stream.lock().groups.iter().map(|group| group.joining.len()).collect();
        assert!(waiting.len() == 1 && (SEATS - 1..=SEATS).contains(&waiting[0]), "{waiting:?}");
        let more: Vec<_> = (0..2).map(|_| attach()).collect();
        assert_eq!(stream.lock().groups.len(), 2, "the first has no more room");
        drop((staying, more));
    }
}

//! Live streams in memory: who publishes, who reads, and what each reader is given.
//!
//! The hub knows neither protocols nor codecs nor users. It is given a [`TransformFactory`] (how to make a rendition),
//! an [`Authorizer`] (who may do what) and, if some paths are special, [`Paths`] (which, and who brings a stream that is
//! asked for) at construction.
//!
//! ```text
//! Publisher -> TrackWriter::write(Frame) -> Stream: stamp, keep the GOP, append to one log
//!                                             |-> Rendition: reads a track, Transform::push, appends its own track
//!                                             |-> Subscription::recv(): a cursor into the log
//!                                             `-> Sink::take(): who has caught up, many readers by one task
//! ```
//!
//! * One log per stream holds every frame once, as [`StreamFrame`]; a reader is a cursor into it, so a reader costs no
//!   queue memory, and a slow one can neither hold back the publisher nor other readers. A cursor that falls behind by
//!   more than [`Options::queue`] is moved to the newest random access point and told so ([`Delivery::Gap`]).
//! * Ownership is registration: dropping [`Publisher`] ends the stream (after [`Options::grace`]), dropping the last
//!   subscription that takes a rendition stops its transform. There are no `remove` calls.
//! * One signal goes backwards: [`Subscription::request_keyframe`], throttled, which surfaces at
//!   [`Publisher::keyframe_requested`].

#![forbid(unsafe_code)]

mod access;
mod clock;
mod directory;
mod fanout;
mod frame;
mod log;
mod paths;
mod publisher;
mod rendition;
mod stream;
mod subscription;

pub use access::{AccessRequest, Action, Authorizer, Credentials, Denied, Proof, Protocol, UserName};
pub use directory::{Hub, HubError, Options, PublishPermit, PublishRequest, ReadPermit, SubscribeRequest};
pub use fanout::{Attached, Sink};
pub use frame::{LiveFrame, StreamFrame};
pub use paths::{PathPolicy, Paths};
pub use publisher::{Publisher, TrackWriter};
pub use rendition::{Transform, TransformError, TransformFactory};
pub use stream::{EndReason, StreamSnapshot, TotalsSnapshot, TrackSnapshot};
pub use subscription::{Delivery, Join, Subscription, Wants};

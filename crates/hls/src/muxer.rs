//! Frames in, playlists and bytes out.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use container::fmp4::Fmp4Error;
use container::mpegts::TsError;
use media::{Codec, CodecConfig, Frame, Kind, Timestamp, TrackInfo};

use crate::audio::AudioLane;
use crate::bandwidth::Bandwidth;
use crate::name::{File, FileName, Rendition};
use crate::options::{Cadence, Options, Variant};
use crate::playlist::{self, Directives, Report, Stated};
use crate::targets::Targets;
use crate::ts::TsLane;
use crate::video::VideoLane;
use crate::wallclock::Anchor;
use crate::window::{There, Window};

/// When no track has had frames for so long, time has jumped: the publisher was away.
const SILENCE: Duration = Duration::from_secs(1);
/// When one track has had no frames for so long while the other has, it is gone: no player would go on without it.
const GONE: Duration = Duration::from_secs(5);

/// Why a frame was not taken. The muxer cannot go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// HLS is given H.264 and AAC.
    #[error("{0} is not carried in HLS; accepted are H264 and AAC")]
    Codec(Codec),
    /// A fragment or an init section cannot be written.
    #[error(transparent)]
    Fmp4(#[from] Fmp4Error),
    /// A transport stream cannot be written.
    #[error(transparent)]
    MpegTs(#[from] TsError),
}

/// What a frame did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[must_use]
pub struct Pushed {
    /// There is something new to see: who waits should look again.
    pub news: bool,
    /// A random access point would help.
    pub keyframe_wanted: bool,
    /// The tracks are others than those that the multivariant playlist names, and another muxer is to take over: this kind
    /// has come with the frame, or had gone before it.
    pub outdated: Option<Kind>,
}

/// Why there is nothing to give.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Missing {
    /// It will be there soon: ask again when [`Pushed::news`] was told.
    #[error("not there yet")]
    NotYet,
    /// It is not there any more, or never will be.
    #[error("there is no such file, or it is not there any more")]
    Gone,
    /// It is further ahead than may be asked for (HLS2 §6.2.5.2).
    #[error("that is further ahead than may be asked for")]
    TooFarAhead,
}

/// The bytes of a file.
#[derive(Clone, Debug, Default)]
pub struct Resource {
    /// In order; most of them shared with other files.
    pub pieces: Vec<Bytes>,
}

impl Resource {
    /// Bytes of all pieces.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of `range`, which lies inside, shared.
    #[must_use]
    pub fn slice(&self, range: std::ops::Range<usize>) -> Self {
        let (mut at, mut pieces) = (0, Vec::new());
        for piece in &self.pieces {
            let from = range.start.saturating_sub(at).min(piece.len());
            let to = range.end.saturating_sub(at).min(piece.len());
            if from < to {
                pieces.push(piece.slice(from..to));
            }
            at += piece.len();
        }
        Self { pieces }
    }
}

/// A segment that one track has begun, for the other to follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cut {
    /// Its first frame's decode time.
    pub(crate) at: Timestamp,
    pub(crate) discontinuity: bool,
}

/// Writes one stream as HLS.
///
/// * Mutators: [`Self::push`] for every frame, in the order in which they came; [`Self::go_live`] after those that were
///   stored; [`Self::end`] once.
/// * Getters: [`Self::is_ready`], [`Self::multivariant`], [`Self::playlist`], [`Self::resource`]. What is
///   [`Missing::NotYet`] may be there after a push that told [`Pushed::news`].
#[derive(Debug)]
pub struct Muxer {
    instance: String,
    options: Options,
    targets: Targets,
    cadence: Cadence,
    lanes: Lanes,
    /// Decode time of the newest frame of each kind.
    newest: [Option<Timestamp>; 2],
    /// What segments are dated by; all renditions by the same, or players would find them apart.
    anchor: Option<Anchor>,
}

#[derive(Debug)]
enum Lanes {
    Fmp4 { video: Option<Box<VideoLane>>, audio: Option<Box<AudioLane>> },
    MpegTs(Box<TsLane>),
}

const fn index(kind: Kind) -> usize {
    match kind {
        Kind::Video => 0,
        Kind::Audio => 1,
    }
}

impl Muxer {
    /// A muxer for `tracks`, at most one of a kind. `instance` is a name that no other muxer has, of letters and digits.
    ///
    /// # Errors
    /// [`PushError::Codec`] for a track that is neither H.264 nor AAC.
    pub fn new(
        instance: String,
        options: Options,
        cadence: Cadence,
        tracks: &[Arc<TrackInfo>],
    ) -> Result<Self, PushError> {
        let accepted = |track: &TrackInfo| matches!(track.codec(), Codec::H264 | Codec::Aac);
        if let Some(other) = tracks.iter().find(|track| !accepted(track)) {
            return Err(PushError::Codec(other.codec()));
        }
        let has = |kind| tracks.iter().any(|track| track.kind() == kind);
        let audio = tracks.iter().find_map(|track| match &track.config {
            CodecConfig::Aac(config) => Some(config),
            _ => None,
        });
        let targets = Targets::new(&options, &cadence, has(Kind::Video), audio);
        let window = || Window::new(targets.duration, options.segments);
        let bytes = options.segment_max_bytes;
        let lanes = if options.variant == Variant::MpegTs {
            Lanes::MpegTs(Box::new(TsLane::new(window(), targets, bytes, tracks)?))
        } else {
            Lanes::Fmp4 {
                video: has(Kind::Video).then(|| Box::new(VideoLane::new(window(), targets, bytes))),
                audio: has(Kind::Audio)
                    .then(|| Box::new(AudioLane::new(window(), targets, bytes, has(Kind::Video)))),
            }
        };
        Ok(Self { instance, options, targets, cadence, lanes, newest: [None; 2], anchor: None })
    }

    /// Takes the next frame, which arrived at `arrived`; `track` are the parameters that decode it.
    ///
    /// # Errors
    /// [`PushError`]; the muxer cannot go on then.
    pub fn push(
        &mut self,
        frame: &Frame,
        track: &Arc<TrackInfo>,
        arrived: SystemTime,
    ) -> Result<Pushed, PushError> {
        let kind = track.kind();
        let silence = self.is_silent_before(frame.dts);
        let before = self.progress();
        if silence {
            self.anchor = None;
        }
        let anchor = &*self.anchor.get_or_insert(Anchor::new(frame.dts, arrived));
        match &mut self.lanes {
            Lanes::MpegTs(lane) if lane.carries(kind) => lane.push(frame, track, anchor, silence)?,
            Lanes::Fmp4 { video: Some(video), audio } if kind == Kind::Video => {
                let cut = video.push(frame, track, anchor, silence)?;
                if let (Some(cut), Some(audio)) = (cut, audio) {
                    audio.follow(cut);
                }
            }
            Lanes::Fmp4 { video, audio: Some(audio) } if kind == Kind::Audio => {
                let begun =
                    video.as_ref().map(|video| video.fragments().map(|it| it.window.media_sequence()));
                // Sound from before the first picture would have nothing to be in sync with.
                if begun == Some(None) {
                    return Ok(Pushed::default());
                }
                let cut = audio.push(frame, track, anchor, silence)?;
                if let (Some(_), Some(video)) = (cut, video) {
                    video.owe_discontinuity();
                }
            }
            _ => return Ok(Pushed { outdated: Some(kind), ..Pushed::default() }),
        }
        if silence {
            self.newest.iter_mut().flatten().for_each(|newest| *newest = frame.dts);
        }
        let newest = &mut self.newest[index(kind)];
        *newest = Some(newest.map_or(frame.dts, |newest| newest.max(frame.dts)));
        Ok(Pushed {
            news: self.progress() != before,
            keyframe_wanted: self.wants_keyframe(),
            outdated: self.lost_track(frame.dts),
        })
    }

    /// The frames that were stored when the muxer began have been pushed; those to come are live. From now on nobody is
    /// to wait longer than needed for a first segment.
    pub fn go_live(&mut self) {
        match &mut self.lanes {
            Lanes::MpegTs(lane) => lane.go_live(),
            Lanes::Fmp4 { video: Some(video), .. } => video.go_live(),
            Lanes::Fmp4 { video: None, .. } => {}
        }
    }

    /// The stream is over; what was not yet in a part is now.
    ///
    /// # Errors
    /// [`PushError`].
    pub fn end(&mut self) -> Result<(), PushError> {
        match &mut self.lanes {
            Lanes::MpegTs(lane) => lane.end(),
            Lanes::Fmp4 { video, audio } => {
                video.as_mut().map_or(Ok(()), |lane| lane.end())?;
                audio.as_mut().map_or(Ok(()), |lane| lane.end())
            }
        }
    }

    /// Its name.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Which kind of HLS.
    pub const fn variant(&self) -> Variant {
        self.options.variant
    }

    /// EXT-X-TARGETDURATION.
    pub const fn target_duration(&self) -> Duration {
        self.targets.duration
    }

    /// PART-TARGET of a rendition.
    pub const fn part_target(&self, rendition: Rendition) -> Duration {
        match rendition {
            Rendition::Audio => self.targets.audio_part,
            Rendition::Video | Rendition::Main => self.targets.video_part,
        }
    }

    /// Whether there is something to play: each rendition has a whole segment.
    pub fn is_ready(&self) -> bool {
        self.renditions().all(|(_, window)| {
            window.is_some_and(|window| window.complete_segments().next().is_some() || window.has_ended())
        })
    }

    /// The multivariant playlist; `query` is appended to its URIs.
    ///
    /// # Errors
    /// [`Missing::NotYet`] until [`Self::is_ready`].
    pub fn multivariant(&self, query: &str) -> Result<String, Missing> {
        if !self.is_ready() {
            return Err(Missing::NotYet);
        }
        let tracks = self.tracks();
        let bandwidth = self.renditions().filter_map(|(_, window)| window).map(Bandwidth::of);
        let bandwidth = bandwidth.fold(Bandwidth::default(), Bandwidth::plus);
        let renditions: Vec<_> = self.renditions().map(|(rendition, _)| rendition).collect();
        Ok(playlist::multivariant(&playlist::Multivariant {
            instance: &self.instance,
            variant: self.options.variant,
            renditions: &renditions,
            tracks: &tracks,
            bandwidth,
            frame_interval: self.cadence.frame_interval,
            query,
        }))
    }

    /// A media playlist that has what `directives` ask for; `query` is appended to its URIs.
    ///
    /// # Errors
    /// [`Missing`].
    pub fn playlist(
        &self,
        rendition: Rendition,
        directives: &Directives,
        query: &str,
    ) -> Result<String, Missing> {
        let window = self.window(rendition)?.ok_or(Missing::NotYet)?;
        let part_target = self.part_target(rendition);
        playlist::is_there(window, directives, part_target)?;
        if !window.has_ended() && window.complete_segments().next().is_none() {
            return Err(Missing::NotYet);
        }
        let others = self.renditions().filter(|(other, _)| *other != rendition);
        let reports = others.filter_map(|(rendition, window)| {
            let (segment, part) = window?.last_part()?;
            Some(Report { rendition, segment, part })
        });
        let stated = Stated {
            variant: self.options.variant,
            target_duration: self.targets.duration,
            part_target,
            hold_back: self.targets.hold_back,
        };
        let media = playlist::Media {
            instance: &self.instance,
            rendition,
            stated: &stated,
            reports: reports.collect(),
            skip: directives.skip,
            query,
        };
        Ok(playlist::media(window, &media))
    }

    /// The bytes of an init section, a segment or a part.
    ///
    /// # Errors
    /// [`Missing`].
    pub fn resource(&self, rendition: Rendition, file: File) -> Result<Resource, Missing> {
        let window = self.window(rendition)?.ok_or(Missing::NotYet)?;
        let pieces = match file {
            File::Playlist => return Err(Missing::Gone),
            File::Init(number) => vec![window.init(number).ok_or(Missing::Gone)?.clone()],
            File::Segment(number) => {
                found(window.segment(number))?.parts.iter().map(|part| part.bytes.clone()).collect()
            }
            File::Part(number, part) if self.options.variant == Variant::LowLatency => {
                vec![found(window.part(number, part))?.bytes.clone()]
            }
            File::Part(..) => return Err(Missing::Gone),
        };
        Ok(Resource { pieces })
    }

    /// The name of a file of this muxer.
    pub fn file_name(&self, rendition: Rendition, file: File) -> FileName {
        FileName { instance: self.instance.clone(), rendition, file }
    }

    fn window(&self, rendition: Rendition) -> Result<Option<&Window>, Missing> {
        let mut renditions = self.renditions();
        renditions.find(|(known, _)| *known == rendition).map(|(_, window)| window).ok_or(Missing::Gone)
    }

    /// Its renditions, the first of which decides what is played; with their windows, as far as frames have come.
    fn renditions(&self) -> impl Iterator<Item = (Rendition, Option<&Window>)> {
        let lanes = match &self.lanes {
            Lanes::Fmp4 { video, audio } => [
                video.as_ref().map(|lane| (Rendition::Video, lane.window())),
                audio.as_ref().map(|lane| (Rendition::Audio, lane.window())),
            ],
            Lanes::MpegTs(lane) => [Some((Rendition::Main, Some(lane.window()))), None],
        };
        lanes.into_iter().flatten()
    }

    fn tracks(&self) -> Vec<Arc<TrackInfo>> {
        match &self.lanes {
            Lanes::Fmp4 { video, audio } => {
                let video = video.as_ref().and_then(|lane| lane.fragments());
                let audio = audio.as_ref().and_then(|lane| lane.fragments());
                [video, audio].into_iter().flatten().map(|it| Arc::clone(it.track())).collect()
            }
            Lanes::MpegTs(lane) => lane.tracks().to_vec(),
        }
    }

    /// Changes whenever there is something new to see.
    fn progress(&self) -> u64 {
        self.renditions().filter_map(|(_, window)| window).map(Window::version).sum()
    }

    fn is_silent_before(&self, at: Timestamp) -> bool {
        let newest = self.newest.iter().flatten().max();
        newest.is_some_and(|newest| at.minus(*newest).to_duration().is_some_and(|gap| gap >= SILENCE))
    }

    fn lost_track(&self, at: Timestamp) -> Option<Kind> {
        let gone = |newest: Timestamp| at.minus(newest).to_duration().is_some_and(|gap| gap >= GONE);
        [Kind::Video, Kind::Audio].into_iter().find(|kind| self.newest[index(*kind)].is_some_and(gone))
    }

    fn wants_keyframe(&self) -> bool {
        match &self.lanes {
            Lanes::Fmp4 { video: Some(video), .. } => video.owes_discontinuity() || video.awaits_first_end(),
            Lanes::Fmp4 { video: None, .. } => false,
            Lanes::MpegTs(lane) => lane.owes_discontinuity(),
        }
    }
}

fn found<T>(there: There<T>) -> Result<T, Missing> {
    match there {
        There::Yes(found) => Ok(found),
        There::NotYet => Err(Missing::NotYet),
        There::No => Err(Missing::Gone),
    }
}

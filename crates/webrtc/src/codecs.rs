//! Which codecs an answer offers, so that no page has to edit session description.

use media::CodecConfig;
use media::TrackInfo;
use str0m::RtcConfig;
use str0m::format::{Codec, FormatParams};
use str0m::media::{Frequency, Pt};
use str0m::rtp::{Extension, ExtensionMap};

use crate::config::Estimation;

/// profile-level-id of the H.264 that is served (RFC 6184 §8.1), the usual choice of publishers first: constrained
/// baseline has no B-frames and every decoder plays it. 640c1f is Safari's name for constrained high.
const PROFILES: [u32; 5] = [0x42_e01f, 0x42_001f, 0x4d_001f, 0x64_0c1f, 0x64_001f];
const OPUS: u8 = 111;
/// Payload types to start from; str0m takes those of the offer.
const FIRST_H264: u8 = 96;

/// The direction in which media flows, as far as the answer differs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// From the peer to us.
    In,
    /// From us to the peer.
    Out(Estimation),
}

/// H.264 in packetization-mode 1 and Opus, nothing else; the profile that `tracks` has, if any, first.
pub(crate) fn configure(config: RtcConfig, flow: Flow, stereo: bool, tracks: &[TrackInfo]) -> RtcConfig {
    let mut config = config.clear_codecs();
    let codecs = config.codec_config();
    codecs.add_config(
        Pt::new_with_value(OPUS),
        None,
        Codec::Opus,
        Frequency::FORTY_EIGHT_KHZ,
        Some(2),
        opus(stereo),
    );
    for (index, profile) in (0..).zip(by_preference(profile_of(tracks))) {
        let pt = FIRST_H264 + 2 * index;
        codecs.add_h264(Pt::new_with_value(pt), Some(Pt::new_with_value(pt + 1)), true, profile);
    }
    let (twcc, remb) = match flow {
        Flow::In | Flow::Out(Estimation::Sender { .. }) => (true, false),
        Flow::Out(Estimation::Receiver) => (false, true),
        Flow::Out(Estimation::Off) => (false, false),
    };
    for codec in codecs.iter_mut() {
        codec.set_fb_transport_cc(twcc);
        codec.set_fb_remb(remb && codec.spec().codec.is_video());
    }
    config.set_extension_map(extensions(flow, twcc, remb))
}

/// Without `stereo=1` in the answer Chromium plays the left channel only, and without `sprop-stereo=1` some receivers
/// do not expect a second one (RFC 7587 §7.1; MediaMTX #2043). `useinbandfec` asks the sender for the redundancy that
/// fills a lost packet.
fn opus(stereo: bool) -> FormatParams {
    FormatParams {
        min_p_time: Some(10),
        use_inband_fec: Some(true),
        stereo: stereo.then_some(true),
        sprop_stereo: stereo.then_some(true),
        ..FormatParams::default()
    }
}

/// The mid binds packets to sections before their SSRC is known (RFC 8843 §9.2), which a publisher may need. Readers
/// know ours from the answer (`a=ssrc`) and tell the two sections apart by payload type besides; str0m would write it
/// into every packet of a track that has retransmission. The other two are there only for the estimation that reads
/// them.
fn extensions(flow: Flow, twcc: bool, remb: bool) -> ExtensionMap {
    let mut map = ExtensionMap::empty();
    if flow == Flow::In {
        map.set(4, Extension::RtpMid);
    }
    if twcc {
        map.set(3, Extension::TransportSequenceNumber);
    }
    if remb {
        map.set(2, Extension::AbsoluteSendTime);
    }
    map
}

/// `profile_idc` and the constraint flags of the video track.
fn profile_of(tracks: &[TrackInfo]) -> Option<[u8; 2]> {
    tracks.iter().find_map(|track| match &track.config {
        CodecConfig::H264(sets) => sets.sps.first()?.get(1..3)?.try_into().ok(),
        _ => None,
    })
}

fn by_preference(wanted: Option<[u8; 2]>) -> Vec<u32> {
    let mut profiles = PROFILES.to_vec();
    let Some([idc, flags]) = wanted else { return profiles };
    // constraint_set1_flag makes baseline "constrained" (RFC 6184 §8.1 table 5); high is with sets 4 and 5.
    let constrained = match idc {
        0x42 => flags & 0x40 != 0,
        0x64 => flags & 0x0c == 0x0c,
        _ => false,
    };
    let rank = |profile: u32| {
        let [_, profile_idc, profile_flags, _] = profile.to_be_bytes();
        (profile_idc != idc, (profile_flags != 0) != constrained)
    };
    profiles.sort_by_key(|&profile| rank(profile));
    profiles
}

/// Whether one of the tracks is stereo sound.
pub(crate) fn is_stereo(tracks: &[TrackInfo]) -> bool {
    tracks.iter().any(|track| match &track.config {
        CodecConfig::Opus(head) => head.channels > 1,
        CodecConfig::Aac(config) => config.channels() > 1,
        CodecConfig::G711(config) => config.channels() > 1,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_of_the_stream_comes_first() {
        assert_eq!(by_preference(None), PROFILES);
        assert_eq!(by_preference(Some([0x42, 0xc0]))[0], 0x42_e01f);
        assert_eq!(by_preference(Some([0x42, 0x00]))[0], 0x42_001f);
        assert_eq!(by_preference(Some([0x4d, 0x40]))[0], 0x4d_001f);
        assert_eq!(by_preference(Some([0x64, 0x00]))[0], 0x64_001f);
        assert_eq!(by_preference(Some([0x64, 0x0c]))[0], 0x64_0c1f);
    }
}

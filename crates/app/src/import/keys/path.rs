//! The keys of `pathDefaults` and of each path (`internal/conf/path.go` of MediaMTX 1.20).

use super::read;
use super::{Group, Key, becomes, ignored, negated, renamed, shapes};

const RECORDING: &str = "there is no recording yet";
const NO_SRT: &str = "SRT is not served";
const RTSP_SOURCE: &str = "RTSP sources are asked by TCP, then by UDP";
const OTHER_SOURCE: &str = "sources are RTSP and RTMP";
const OLD_USERS: &str = "an `[[auth.user]]`; an old name of `authInternalUsers`";

pub(crate) const PATH: &[Group] = &[
    Group { title: "Source", keys: SOURCE },
    Group { title: "Recording and forwarding", keys: KEPT },
    Group { title: "Access (old)", keys: ACCESS },
    Group { title: "Single kinds of source", keys: KINDS },
    Group { title: "Commands", keys: COMMANDS },
];

const SOURCE: &[Key] = &[
    shapes(
        "source",
        "`path.source`: `publisher`, `rtsp://`, `rtsps://`, `rtmp://` and `rtmps://`; a path with another source stands as a comment",
    ),
    becomes("sourceFingerprint", "path.source_fingerprint", read::text),
    shapes("sourceOnDemand", "`path.source_on_demand`"),
    becomes("sourceOnDemandStartTimeout", "path.source_on_demand_start_timeout_ms", read::millis),
    becomes("sourceOnDemandCloseAfter", "path.source_on_demand_close_after_ms", read::millis),
    becomes("maxReaders", "path.max_readers", read::count),
    becomes("overridePublisher", "path.override_publisher", read::flag),
    negated("disablePublisherOverride", "overridePublisher"),
    ignored("srtReadPassphrase", "\"\"", NO_SRT),
    ignored("srtPublishPassphrase", "\"\"", NO_SRT),
    ignored("useAbsoluteTimestamp", "false", "streams have a clock of their own"),
    ignored("fallback", "\"\"", "readers of a path without a publisher are not sent elsewhere"),
    ignored("alwaysAvailable", "false", "a stream is there while somebody publishes it"),
    ignored("alwaysAvailableTracks", "[]", "a stream is there while somebody publishes it"),
    ignored("alwaysAvailableFile", "\"\"", "a stream is there while somebody publishes it"),
    ignored("alwaysAvailableRecorded", "true", "a stream is there while somebody publishes it"),
];

const KEPT: &[Key] = &[
    ignored("record", "false", RECORDING),
    ignored("playback", "true", RECORDING),
    ignored("recordPath", "./recordings/%path/%Y-%m-%d_%H-%M-%S-%f", RECORDING),
    ignored("recordFormat", "fmp4", RECORDING),
    ignored("recordPartDuration", "1s", RECORDING),
    ignored("recordMaxPartSize", "50M", RECORDING),
    ignored("recordSegmentDuration", "1h", RECORDING),
    ignored("recordDeleteAfter", "1d", RECORDING),
    ignored("forward", "[]", "streams are not sent on to other servers yet"),
];

const ACCESS: &[Key] = &[
    shapes("publishUser", OLD_USERS),
    shapes("publishPass", OLD_USERS),
    shapes("publishIPs", OLD_USERS),
    shapes("readUser", OLD_USERS),
    shapes("readPass", OLD_USERS),
    shapes("readIPs", OLD_USERS),
];

const KINDS: &[Key] = &[
    ignored("rtspTransport", "automatic", RTSP_SOURCE),
    renamed("sourceProtocol", "rtspTransport"),
    ignored("rtspAnyPort", "false", RTSP_SOURCE),
    renamed("sourceAnyPortEnable", "rtspAnyPort"),
    ignored("rtspDemuxMpegts", "false", "MPEG-TS inside of RTSP is not read"),
    ignored("rtspRangeType", "\"\"", "sources are live"),
    ignored("rtspRangeStart", "\"\"", "sources are live"),
    ignored("rtspScale", "0", "sources are live"),
    ignored("rtspUDPReadBufferSize", "0", "buffers are asked of the kernel; `net.core.rmem_max` grants them"),
    ignored("rtspUDPSourcePortRange", "[32768, 60999]", "any free port is taken"),
    ignored("rtpSDP", "\"\"", OTHER_SOURCE),
    ignored("moqTransport", "quic", OTHER_SOURCE),
    ignored("whepBearerToken", "\"\"", OTHER_SOURCE),
    ignored("whepSTUNGatherTimeout", "5s", OTHER_SOURCE),
    ignored("whepHandshakeTimeout", "10s", OTHER_SOURCE),
    ignored("whepTrackGatherTimeout", "2s", OTHER_SOURCE),
    ignored("sourceRedirect", "\"\"", "readers are not sent elsewhere"),
    ignored("rpiCamera*", "\"\"", OTHER_SOURCE),
];

const COMMANDS: &[Key] = &[
    becomes("runOnInit", "path.run_on_init", read::text),
    becomes("runOnInitRestart", "path.run_on_init_restart", read::flag),
    becomes("runOnDemand", "path.run_on_demand", read::text),
    becomes("runOnDemandRestart", "path.run_on_demand_restart", read::flag),
    becomes("runOnDemandStartTimeout", "path.run_on_demand_start_timeout_ms", read::millis),
    becomes("runOnDemandCloseAfter", "path.run_on_demand_close_after_ms", read::millis),
    becomes("runOnUnDemand", "path.run_on_undemand", read::text),
    becomes("runOnAvailable", "path.run_on_available", read::text),
    renamed("runOnReady", "runOnAvailable"),
    becomes("runOnAvailableRestart", "path.run_on_available_restart", read::flag),
    renamed("runOnReadyRestart", "runOnAvailableRestart"),
    becomes("runOnUnavailable", "path.run_on_unavailable", read::text),
    renamed("runOnNotReady", "runOnUnavailable"),
    ignored("runOnOnline", "\"\"", "`run_on_available` is the same without `alwaysAvailable`"),
    ignored("runOnOnlineRestart", "false", "`run_on_available` is the same without `alwaysAvailable`"),
    ignored("runOnOffline", "\"\"", "`run_on_unavailable` is the same without `alwaysAvailable`"),
    becomes("runOnRead", "path.run_on_read", read::text),
    becomes("runOnReadRestart", "path.run_on_read_restart", read::flag),
    becomes("runOnUnread", "path.run_on_unread", read::text),
    ignored("runOnRecordSegmentCreate", "\"\"", RECORDING),
    ignored("runOnRecordSegmentComplete", "\"\"", RECORDING),
];

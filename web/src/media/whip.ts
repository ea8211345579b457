import { Link } from './link';
import type { Endpoint } from './resource';

/** Plenty for 960x540 at 30 pictures a second with a face in it; the congestion control stays below it as needed. */
const VIDEO_BITS_PER_SECOND = 1_500_000;

/**
 * When there is too little bandwidth or processor, fewer pictures rather than smaller ones: a size that changes in the
 * middle of the stream means new parameter sets, which many RTMP players survive only with a black picture.
 */
async function keepPictureSize(sender: RTCRtpSender): Promise<void> {
  const parameters = sender.getParameters();
  parameters.degradationPreference = 'maintain-resolution';
  for (const encoding of parameters.encodings) {
    encoding.maxBitrate = VIDEO_BITS_PER_SECOND;
  }
  // A browser that knows no degradation preference refuses the whole; the call works without.
  await sender.setParameters(parameters).catch(() => undefined);
}

function addTrack(pc: RTCPeerConnection, track: MediaStreamTrack, stream: MediaStream): void {
  const { sender } = pc.addTransceiver(track, { direction: 'sendonly', streams: [stream] });
  if (track.kind === 'video') {
    void keepPictureSize(sender);
  }
}

/** Publishes the tracks of `stream` over WHIP, each on a send-only line. */
export function openWhip(
  endpoint: Endpoint,
  iceServers: RTCIceServer[],
  stream: MediaStream,
  signal: AbortSignal,
): Promise<Link> {
  const prepare = (pc: RTCPeerConnection): void => {
    // Video first: the first media line carries the candidates of all.
    for (const track of [...stream.getVideoTracks(), ...stream.getAudioTracks()]) {
      addTrack(pc, track, stream);
    }
  };
  return Link.open({ endpoint, iceServers, prepare }, signal);
}

/** Puts the tracks of another capture (a camera plugged in again) on the lines of a running link. */
export async function replaceTracks(link: Link, stream: MediaStream): Promise<void> {
  const tracks = stream.getTracks();
  await Promise.all(
    link.pc.getTransceivers().map(async ({ sender, receiver }) => {
      // A send-only line's receiver tells the line's kind even while nothing is on it.
      const track = tracks.find(({ kind }) => kind === receiver.track.kind);
      if (track && sender.track !== track) {
        await sender.replaceTrack(track);
      }
    }),
  );
}

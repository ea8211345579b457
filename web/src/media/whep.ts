import { Link } from './link';
import type { Endpoint } from './resource';

/** Chromium's older name for the same wish, in seconds. */
type DelayHintReceiver = RTCRtpReceiver & { playoutDelayHint?: number | null };

/**
 * Asks for no standing delay: a conversation is not a film. Both media ask for the same, since the browser holds the
 * one back for the other.
 */
function askForNoDelay(receiver: DelayHintReceiver): void {
  if ('jitterBufferTarget' in receiver) {
    receiver.jitterBufferTarget = 0;
  } else if ('playoutDelayHint' in receiver) {
    (receiver as DelayHintReceiver).playoutDelayHint = 0;
  }
}

/**
 * Reads a stream over WHEP: one video and one audio line, both receive-only.
 *
 * @param onStream is given one MediaStream as soon as its tracks are known; they begin when packets arrive
 */
export function openWhep(
  endpoint: Endpoint,
  iceServers: RTCIceServer[],
  onStream: (stream: MediaStream) => void,
  signal: AbortSignal,
): Promise<Link> {
  const prepare = (pc: RTCPeerConnection): void => {
    const receivers = (['video', 'audio'] as const).map(
      (kind) => pc.addTransceiver(kind, { direction: 'recvonly' }).receiver,
    );
    receivers.forEach(askForNoDelay);
    onStream(new MediaStream(receivers.map((receiver) => receiver.track)));
  };
  return Link.open({ endpoint, iceServers, prepare }, signal);
}

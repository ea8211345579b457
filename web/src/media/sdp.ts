/**
 * The little of SDP that trickle ICE and ICE restart need (RFC 8840 §9, RFC 9725 §4.3.2 and §4.3.3). Offers and
 * answers themselves are never edited: which codec is sent is the server's choice, made in its answer.
 */

/** One side's ICE name and password (RFC 8839 §5.4). */
export interface IceParameters {
  readonly ufrag: string;
  readonly pwd: string;
}

const lines = (sdp: string): string[] => sdp.split(/\r?\n/).filter((line) => line !== '');
const join = (all: readonly string[]): string => all.map((line) => `${line}\r\n`).join('');

/** The first value of `a=name:value`. */
function attribute(sdp: string, name: string): string | null {
  const prefix = `a=${name}:`;
  return (
    lines(sdp)
      .find((line) => line.startsWith(prefix))
      ?.slice(prefix.length) ?? null
  );
}

/** The ICE name and password of a description or fragment; null when one is missing. */
export function iceParameters(sdp: string): IceParameters | null {
  const ufrag = attribute(sdp, 'ice-ufrag');
  const pwd = attribute(sdp, 'ice-pwd');
  return ufrag === null || pwd === null ? null : { ufrag, pwd };
}

/**
 * The body of a trickle PATCH (`application/trickle-ice-sdpfrag`): our candidates under the first media line, which
 * carries all of them because of BUNDLE.
 *
 * @param local our description
 * @param candidates `candidate:...` strings as RTCIceCandidate gives them
 * @param last whether gathering is over
 */
export function iceFragment(local: string, candidates: readonly string[], last: boolean): string {
  const ice = iceParameters(local);
  const media = lines(local).find((line) => line.startsWith('m='));
  const mid = attribute(local, 'mid');
  if (!ice || !media || mid === null) {
    throw new Error('a local description without ICE parameters or media cannot trickle');
  }
  return join([
    `a=ice-ufrag:${ice.ufrag}`,
    `a=ice-pwd:${ice.pwd}`,
    media,
    `a=mid:${mid}`,
    ...candidates.map((candidate) => `a=${candidate}`),
    ...(last ? ['a=end-of-candidates'] : []),
  ]);
}

/**
 * The answer to an ICE restart: what the server answered at first, under the ICE name, password and candidates of the
 * fragment that it sent back (RFC 9725 §4.3.3: nothing else of the session may change).
 */
export function restartedAnswer(answer: string, fragment: string): string {
  const ice = iceParameters(fragment);
  if (!ice) {
    throw new Error('the fragment of an ICE restart has no ICE name and password');
  }
  const candidates = lines(fragment).filter((line) => /^a=(candidate:|end-of-candidates)/.test(line));
  const kept = lines(answer)
    .filter((line) => !/^a=(candidate:|end-of-candidates)/.test(line))
    .map((line) => line.replace(/^a=ice-ufrag:.*/, `a=ice-ufrag:${ice.ufrag}`))
    .map((line) => line.replace(/^a=ice-pwd:.*/, `a=ice-pwd:${ice.pwd}`));
  const firstMedia = kept.findIndex((line) => line.startsWith('m='));
  const secondMedia = kept.findIndex((line, at) => at > firstMedia && line.startsWith('m='));
  const at = secondMedia === -1 ? kept.length : secondMedia;
  return join([...kept.slice(0, at), ...candidates, ...kept.slice(at)]);
}

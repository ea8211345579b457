/** One `<target>; name=value; name="value"` of a `Link:` header (RFC 8288 §3). */
const LINK = /<([^>]*)>((?:\s*;\s*[\w-]+\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^;,"\s]+))*)/g;
const PARAMETER = /;\s*([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;,"\s]+))/g;

function parameters(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, name, quoted, bare] of text.matchAll(PARAMETER)) {
    found.set((name ?? '').toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? bare ?? '');
  }
  return found;
}

/**
 * STUN and TURN servers from `Link: <turn:...>; rel="ice-server"; username="..."; credential="..."` (RFC 9725 §4.6).
 * Links of other relations and with other schemes are passed over.
 */
export function iceServers(link: string | null): RTCIceServer[] {
  const servers: RTCIceServer[] = [];
  for (const [, target, tail] of (link ?? '').matchAll(LINK)) {
    const fields = parameters(tail ?? '');
    if (!target || fields.get('rel') !== 'ice-server' || !/^(stun|turn)s?:/.test(target)) {
      continue;
    }
    const username = fields.get('username');
    const credential = fields.get('credential');
    servers.push(
      username !== undefined && credential !== undefined
        ? { urls: target, username, credential }
        : { urls: target },
    );
  }
  return servers;
}

/** What the address bar asks for. */
export type Place =
  | {
      readonly page: 'doctor';
      /** The path that this page publishes. */
      readonly publish: string;
      /** The path that it reads: the patient. */
      readonly read: string;
      /** Begin without a click. */
      readonly auto: boolean;
    }
  | { readonly page: 'watch'; readonly path: string }
  | { readonly page: 'publish'; readonly path: string };

/** Where browser and mini-program of the original system meet. */
const DOCTOR = 'doctorStream';
const PATIENT = 'patientStream';

/** One rule for all protocols: 1 to 255 characters, no empty, `.` or `..` segment. */
export function isStreamPath(path: string): boolean {
  return (
    path.length <= 255 &&
    /^[A-Za-z0-9_.~/-]+$/.test(path) &&
    path.split('/').every((segment) => !['', '.', '..'].includes(segment))
  );
}

/**
 * Reads `/` as the doctor's page (`?publish=...&read=...&auto=1`), `/PATH/` as the page that watches PATH and
 * `/PATH/publish` as the one that publishes it (the two that MediaMTX serves under the same addresses). Names that are
 * no stream paths fall back to the defaults, so that nothing from the address bar reaches a request unchecked.
 */
export function placeOf(pathname: string, search: string): Place {
  const path = decodeURI(pathname).replace(/^\/+|\/+$/g, '');
  const publishes = path.endsWith('/publish') ? path.slice(0, -'/publish'.length) : null;
  if (publishes !== null && isStreamPath(publishes)) {
    return { page: 'publish', path: publishes };
  }
  if (isStreamPath(path) && path !== 'index.html') {
    return { page: 'watch', path };
  }
  const query = new URLSearchParams(search);
  const named = (name: string, otherwise: string): string => {
    const value = query.get(name) ?? '';
    return isStreamPath(value) ? value : otherwise;
  };
  const auto = query.get('auto') === '1';
  return { page: 'doctor', publish: named('publish', DOCTOR), read: named('read', PATIENT), auto };
}

/** The WHIP or WHEP address of a path on the server that the page came from. */
export function endpointUrl(path: string, verb: 'whip' | 'whep'): string {
  return `/${path}/${verb}`;
}

/** `?size=960x540` on the doctor's and the publish page; 640x480 otherwise, which every phone decodes. */
export function pictureSize(search: string): { width: number; height: number } {
  const [, width, height] = /^(\d{3,4})x(\d{3,4})$/.exec(new URLSearchParams(search).get('size') ?? '') ?? [];
  return width && height ? { width: Number(width), height: Number(height) } : { width: 640, height: 480 };
}

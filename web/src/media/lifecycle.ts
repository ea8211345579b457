/** What a page's media does about things that happen to the page. */
export interface Lifecycle {
  /** The network is back, or somebody looks again: do not wait for the next attempt. */
  readonly hurry: () => void;
  /** The page is going away. */
  readonly leave: () => void;
  /** A camera or microphone was plugged in or out. */
  readonly devicesChanged: () => void;
}

/** Connects `lifecycle` to the browser's events; the returned function disconnects it. */
export function followPage(lifecycle: Lifecycle): () => void {
  const stop = new AbortController();
  const { signal } = stop;
  const devices = 'mediaDevices' in navigator ? navigator.mediaDevices : null;
  window.addEventListener('online', lifecycle.hurry, { signal });
  // pagehide and not unload: it fires on phones, and it does not forbid the back-forward cache.
  window.addEventListener('pagehide', lifecycle.leave, { signal });
  devices?.addEventListener('devicechange', lifecycle.devicesChanged, { signal });
  document.addEventListener(
    'visibilitychange',
    () => {
      if (document.visibilityState === 'visible') {
        lifecycle.hurry();
      }
    },
    { signal },
  );
  return () => {
    stop.abort();
  };
}

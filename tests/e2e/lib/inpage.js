// Runs in the page: a bare WHIP and WHEP client (none of the product's code), pictures that carry a number, sounds
// that come with a flash, and what was painted and heard of them and when.
(() => {
  // A strip of blocks at the top of the picture: 24 bits of value and a 4-bit sum of its nibbles, in two rows of 14.
  const BITS = 28;
  const COLUMNS = 14;
  const BLOCK = 40;
  const FLASH = { x: 120, y: 240, width: 400, height: 160 };

  const sumOf = (value) => {
    let sum = 0;
    for (let rest = value; rest > 0; rest = Math.floor(rest / 16)) sum += rest % 16;
    return sum % 16;
  };
  const now = () => performance.timeOrigin + performance.now();

  /** Draws `value` (0 to 2^24 - 1) and, if `flash`, a white field, on a 640x480 canvas. */
  function draw(context, value, flash) {
    context.fillStyle = '#204060';
    context.fillRect(0, 0, 640, 480);
    const code = value * 16 + sumOf(value);
    for (let bit = 0; bit < BITS; bit += 1) {
      context.fillStyle = Math.floor(code / 2 ** bit) % 2 ? '#fff' : '#000';
      context.fillRect((bit % COLUMNS) * BLOCK + 40, Math.floor(bit / COLUMNS) * BLOCK, BLOCK, BLOCK);
    }
    context.fillStyle = flash ? '#fff' : '#000';
    context.fillRect(FLASH.x, FLASH.y, FLASH.width, FLASH.height);
    // Something that moves, as in a real picture.
    context.fillStyle = '#e07a3f';
    context.fillRect((value * 0.2) % 600, 420, 40, 40);
  }

  /** Reads the strip of a picture that is shown; null when its sum is wrong. */
  function makeReader() {
    const canvas = new OffscreenCanvas(640, 480);
    const context = canvas.getContext('2d', { willReadFrequently: true });
    return (video) => {
      context.drawImage(video, 0, 0, 640, 480);
      const { data } = context.getImageData(0, 0, 640, 480);
      const light = (x, y) => data[(y * 640 + x) * 4 + 1] > 128;
      let code = 0;
      for (let bit = 0; bit < BITS; bit += 1) {
        const x = (bit % COLUMNS) * BLOCK + 60;
        const y = Math.floor(bit / COLUMNS) * BLOCK + BLOCK / 2;
        code += light(x, y) ? 2 ** bit : 0;
      }
      const value = Math.floor(code / 16);
      const flash = light(FLASH.x + FLASH.width / 2, FLASH.y + FLASH.height / 2);
      return { value: sumOf(value) === code % 16 ? value : null, flash };
    };
  }

  /**
   * A stream whose pictures carry the time of their drawing (ms modulo 2^24) and which beeps for 100 ms, once a second,
   * while it shows the white field.
   */
  async function clockStream({ fps = 30, audio = true } = {}) {
    const canvas = new OffscreenCanvas(640, 480);
    const context = canvas.getContext('2d');
    const generator = new MediaStreamTrackGenerator({ kind: 'video' });
    const writer = generator.writable.getWriter();
    let audioContext = null;
    let gain = null;
    const tracks = [generator];
    if (audio) {
      audioContext = new AudioContext({ latencyHint: 'interactive' });
      const oscillator = audioContext.createOscillator();
      oscillator.frequency.value = 1000;
      gain = audioContext.createGain();
      gain.gain.value = 0;
      const destination = audioContext.createMediaStreamDestination();
      destination.channelCount = 1;
      oscillator.connect(gain).connect(destination);
      oscillator.start();
      tracks.push(...destination.stream.getAudioTracks());
    }
    let flashing = false;
    const timer = setInterval(() => {
      const at = now();
      const flash = at % 1000 < 100;
      if (flash !== flashing) {
        flashing = flash;
        gain?.gain.setValueAtTime(flash ? 0.5 : 0, audioContext.currentTime);
      }
      draw(context, Math.floor(at) % 2 ** 24, flash);
      const frame = new VideoFrame(canvas, { timestamp: Math.round(at * 1000) });
      writer.write(frame).catch(() => clearInterval(timer));
    }, 1000 / fps);
    return new MediaStream(tracks);
  }

  /** Follows what a video element paints: `frames` grows by `{ at, value, flash }`, `at` in ms of the wall clock. */
  function follow(video) {
    const read = makeReader();
    const frames = [];
    const next = (_, metadata) => {
      const { value, flash } = read(video);
      frames.push({ at: performance.timeOrigin + metadata.expectedDisplayTime, value, flash });
      video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
    return frames;
  }

  const METER = `registerProcessor('meter', class extends AudioWorkletProcessor {
    process([[samples]]) {
      let sum = 0;
      for (const sample of samples ?? []) sum += sample * sample;
      this.port.postMessage({ at: currentTime, power: samples ? sum / samples.length : 0 });
      return true;
    }
  })`;

  /** Follows what a stream sounds like: `blocks` grows by `{ at, told, power }` every 128 samples. */
  async function listen(stream) {
    const context = new AudioContext({ latencyHint: 'interactive' });
    await context.resume();
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([METER], { type: 'text/javascript' })));
    const meter = new AudioWorkletNode(context, 'meter', { numberOfInputs: 1, channelCount: 1 });
    const blocks = [];
    meter.port.onmessage = ({ data }) => blocks.push({ at: data.at * 1000, told: now(), power: data.power });
    context.createMediaStreamSource(stream).connect(meter).connect(context.destination);
    return { blocks };
  }

  /**
   * The wall clock of a block: the smallest distance between the two clocks that was seen within half a second is the
   * one without waiting in a queue. Not the smallest ever: on a busy machine the clock of the sound stands still now
   * and then, and after a minute is hundreds of ms behind.
   */
  function heardAt(blocks, index) {
    const { at } = blocks[index];
    let offset = Infinity;
    for (let near = index; near >= 0 && at - blocks[near].at < 500; near -= 1) {
      offset = Math.min(offset, blocks[near].told - blocks[near].at);
    }
    for (let near = index; near < blocks.length && blocks[near].at - at < 500; near += 1) {
      offset = Math.min(offset, blocks[near].told - blocks[near].at);
    }
    return at + offset;
  }

  /** Times at which sound begins after at least 300 ms of quiet. */
  function onsets({ blocks }, threshold = 0.003) {
    const found = [];
    let quietSince = 0;
    let loud = false;
    for (const [index, { at, power }] of blocks.entries()) {
      if (power > threshold && !loud) {
        if (at - quietSince > 300) found.push(heardAt(blocks, index));
        loud = true;
      } else if (power <= threshold / 4 && loud) {
        loud = false;
        quietSince = at;
      }
    }
    return found;
  }

  /** Times at which the white field appears. */
  function flashes(frames) {
    return frames.filter((frame, at) => at > 0 && frame.flash && !frames[at - 1].flash).map(({ at }) => at);
  }

  /** For every flash the nearest beep: how much later the sound was, in ms. */
  function offsets(frames, sound) {
    const beeps = onsets(sound);
    return flashes(frames)
      .map((flash) => ({
        at: flash,
        offset: beeps.map((beep) => beep - flash).sort((a, b) => Math.abs(a) - Math.abs(b))[0],
      }))
      .filter(({ offset }) => offset !== undefined && Math.abs(offset) < 500);
  }

  async function exchange(pc, url, { tcpOnly = false, headers = {} } = {}) {
    const offer = await pc.createOffer();
    const asked = now();
    const [response] = await Promise.all([
      fetch(url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/sdp', ...headers },
        body: offer.sdp,
      }),
      pc.setLocalDescription(offer),
    ]);
    if (response.status !== 201)
      throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
    let sdp = await response.text();
    if (tcpOnly) {
      // As a network does that lets no UDP through; a page of the product never edits SDP.
      sdp = sdp.replace(/a=candidate:\S+ \d+ udp .*\r\n/gi, '');
    }
    await pc.setRemoteDescription({ type: 'answer', sdp });
    return {
      asked,
      answered: now(),
      location: new URL(response.headers.get('Location'), response.url).href,
      etag: response.headers.get('ETag'),
      answer: sdp,
    };
  }

  /** Reads a path; everything that is measured hangs on the result. */
  async function whep(url, options = {}) {
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    const receivers = ['video', 'audio'].map(
      (kind) => pc.addTransceiver(kind, { direction: 'recvonly' }).receiver,
    );
    for (const receiver of receivers) receiver.jitterBufferTarget = 0;
    const stream = new MediaStream(receivers.map(({ track }) => track));
    const video = document.createElement('video');
    Object.assign(video, { autoplay: true, playsInline: true, srcObject: stream });
    video.style.cssText = 'position:fixed;right:0;bottom:0;width:160px;z-index:9';
    document.body.append(video);
    const frames = follow(video);
    const session = await exchange(pc, url, options);
    return { pc, stream, video, frames, ...session };
  }

  /** What a media element shows and sounds like, as far as it plays at all. */
  async function watch(video) {
    Object.assign(video, { autoplay: true, playsInline: true, muted: false });
    video.style.cssText = 'position:fixed;right:0;bottom:0;width:160px;z-index:9';
    document.body.append(video);
    const frames = follow(video);
    await new Promise((resolve, reject) => {
      video.addEventListener('playing', resolve, { once: true });
      video.addEventListener('error', () => reject(new Error(video.error?.message)), { once: true });
    });
    return { video, frames, sound: await listen(video.captureStream()) };
  }

  /** Plays FLV by mpegts.js, which the test has put into the page. */
  function playFlv(url) {
    const video = document.createElement('video');
    const player = globalThis.mpegts.createPlayer({ type: 'flv', isLive: true, url });
    const failed = new Promise((_, reject) => {
      player.on(globalThis.mpegts.Events.ERROR, (...what) => reject(new Error(what.join(' '))));
    });
    player.attachMediaElement(video);
    player.load();
    player.play().catch(() => undefined);
    return Promise.race([watch(video), failed]).then((watched) => ({ player, ...watched }));
  }

  /** Plays HLS by hls.js, which the test has put into the page; what it complains of grows in `errors`. */
  function playHls(url, options = {}) {
    const video = document.createElement('video');
    const player = new globalThis.Hls({ lowLatencyMode: true, ...options });
    const errors = [];
    const failed = new Promise((_, reject) => {
      player.on(globalThis.Hls.Events.ERROR, (_event, { fatal, details }) => {
        errors.push(details);
        if (fatal) reject(new Error(details));
      });
    });
    failed.catch(() => undefined);
    player.loadSource(url);
    player.attachMedia(video);
    return Promise.race([watch(video), failed]).then((watched) => ({ player, errors, ...watched }));
  }

  /** Publishes a stream. */
  async function whip(url, stream, options = {}) {
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    for (const track of [...stream.getVideoTracks(), ...stream.getAudioTracks()]) {
      pc.addTransceiver(track, { direction: 'sendonly', streams: [stream] });
    }
    return { pc, stream, ...(await exchange(pc, url, options)) };
  }

  /** The statistics of a connection as plain objects, by type and kind. */
  async function stats(pc) {
    const found = {};
    for (const entry of (await pc.getStats()).values()) {
      if (['inbound-rtp', 'outbound-rtp', 'media-source'].includes(entry.type)) {
        found[`${entry.type}/${entry.kind}`] = entry;
      } else if (entry.type === 'candidate-pair' && entry.nominated) {
        found.pair = entry;
      } else if (entry.type.endsWith('-candidate') || entry.type === 'codec') {
        found[entry.id] = entry;
      }
    }
    return found;
  }

  window.medleyTest = {
    clockStream,
    draw,
    follow,
    listen,
    onsets,
    offsets,
    flashes,
    playFlv,
    playHls,
    whep,
    whip,
    stats,
    now,
    kept: {},
  };
})();

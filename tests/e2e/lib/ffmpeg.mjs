import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, start } from './process.mjs';

const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'medley', 'clips');
const COPY = ['-c', 'copy'];
const QUIET = ['-nostdin', '-hide_banner', '-loglevel', 'error'];

/** The strip of blocks of inpage.js, drawn by ffmpeg: `value` is an expression of its filters, the picture's number. */
function strip(value = 'n') {
  const nibble = (at) => `mod(floor(${value}/${16 ** at}),16)`;
  const sum = `mod(${[0, 1, 2, 3, 4, 5].map(nibble).join('+')},16)`;
  const boxes = ['drawbox=x=40:y=0:w=560:h=80:c=black:t=fill'];
  for (let bit = 0; bit < 28; bit += 1) {
    const of = bit < 4 ? `floor(${sum}/${2 ** bit})` : `floor(${value}/${2 ** (bit - 4)})`;
    const x = (bit % 14) * 40 + 40;
    const y = Math.floor(bit / 14) * 40;
    boxes.push(`drawbox=x=${x}:y=${y}:w=40:h=40:c=white:t=fill:enable='mod(${of},2)'`);
  }
  boxes.push('drawbox=x=120:y=240:w=400:h=160:c=black:t=fill');
  boxes.push("drawbox=x=120:y=240:w=400:h=160:c=white:t=fill:enable='lt(mod(t+0.001,1),0.1)'");
  return boxes.join(',');
}

/**
 * A clip whose pictures are numbered and which flashes and beeps once a second; made once and kept.
 *
 * @param {{ seconds?: number, rate?: number, channels?: number, fps?: number, gop?: number, bframes?: number, sound?: string }} [options]
 *   `rate` and `channels` of the sound, which `sound` codes (ffmpeg's name), `gop` in s
 * @returns the file's name
 */
export async function clip({
  seconds = 90,
  rate = 44100,
  channels = 1,
  fps = 30,
  gop = 2,
  bframes = 0,
  sound = 'aac',
} = {}) {
  const beep = `0.5*sin(2*PI*1000*t)*lt(mod(t,1),0.1)`;
  const profile =
    bframes > 0 ? ['-profile:v', 'main', '-bf', `${bframes}`] : ['-profile:v', 'baseline', '-bf', '0'];
  const args = [
    ...['-f', 'lavfi', '-i', `testsrc2=s=640x480:r=${fps},format=yuv420p,${strip()}`],
    ...['-f', 'lavfi', '-i', `aevalsrc='${channels === 2 ? `${beep}|${beep}` : beep}':s=${rate}`],
    ...['-t', `${seconds}`, '-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', ...profile],
    ...[
      '-g',
      `${fps * gop}`,
      '-keyint_min',
      `${fps * gop}`,
      '-sc_threshold',
      '0',
      '-b:v',
      '1M',
      '-maxrate',
      '1M',
    ],
    ...['-bufsize', '1M', '-c:a', sound, '-b:a', '64k', '-ar', `${rate}`, '-ac', `${channels}`],
  ];
  const name = createHash('sha256').update(JSON.stringify(args)).digest('hex').slice(0, 16);
  const file = join(CACHE, `${name}.flv`);
  if (!existsSync(file)) {
    await mkdir(CACHE, { recursive: true });
    const made = `${file}.${process.pid}`;
    await run('ffmpeg', [...QUIET, '-y', ...args, '-f', 'flv', made], { ms: 300_000 });
    await rename(made, file);
  }
  return file;
}

/** Publishes a file in real time, from its beginning, until it is stopped. */
export function publish(file, url) {
  return start('ffmpeg', [
    ...QUIET,
    '-re',
    '-i',
    file,
    '-c',
    'copy',
    '-f',
    'flv',
    '-flvflags',
    'no_duration_filesize',
    url,
  ]);
}

/**
 * Publishes pictures that carry the time of their drawing (ms modulo 2^24), 30 a second, and a tone, until it is stopped:
 * H.264 with a random access point every 2 s, and AAC.
 */
export function publishClock(url) {
  // A time is the wall clock's until it is drawn; what is sent has regular ones.
  const drawn = strip('mod(floor(t*1000+0.5),16777216)');
  const pictures =
    'testsrc2=s=640x480:r=30,format=yuv420p,realtime,settb=1/1000,setpts=RTCTIME/(TB*1000000),' +
    `${drawn},settb=1/30,setpts=N`;
  return start('ffmpeg', [
    ...QUIET,
    ...['-f', 'lavfi', '-i', pictures],
    ...['-f', 'lavfi', '-i', 'sine=f=440:r=48000,arealtime'],
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-profile:v', 'baseline'],
    ...[
      '-g',
      '60',
      '-keyint_min',
      '60',
      '-sc_threshold',
      '0',
      '-b:v',
      '1M',
      '-maxrate',
      '1M',
      '-bufsize',
      '1M',
    ],
    ...['-c:a', 'aac', '-b:a', '64k', '-f', 'flv', '-flvflags', 'no_duration_filesize', url],
  ]);
}

/** Publishes a file by RTSP (`tcp` or `udp`) in real time, from its beginning, until it is stopped. */
export function publishRtsp(file, url, transport) {
  return start('ffmpeg', [
    ...QUIET,
    ...['-re', '-i', file, '-c', 'copy', '-f', 'rtsp', '-rtsp_transport', transport, url],
  ]);
}

/** Runs `use` with a new folder and removes it. */
export async function inFolder(use) {
  const folder = await mkdtemp(join(tmpdir(), 'medley-e2e-'));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Records `seconds` of a URL byte by byte (nothing is decoded or stamped anew, unless `codecs` says so). */
export async function record(
  url,
  file,
  seconds,
  { ms = (seconds + 20) * 1000, options, codecs = COPY } = {},
) {
  const args = [...QUIET, ...(options ?? ['-rw_timeout', '10000000', '-analyzeduration', '2000000'])];
  await run('ffmpeg', [...args, '-i', url, '-t', `${seconds}`, ...codecs, '-y', file], { ms });
}

/**
 * Decodes a file: what the decoders complain of, line by line. Times stay as fine as they are: pictures of a squeezed
 * join are a millisecond apart, which in frames of 1/30 s would be one time for all.
 */
export async function decodeErrors(file) {
  const args = [
    '-err_detect',
    'explode',
    '-i',
    file,
    '-fps_mode',
    'passthrough',
    '-enc_time_base',
    '-1',
    '-f',
    'null',
    '-',
  ];
  const text = await run('ffmpeg', [...QUIET, ...args]).catch((error) => error.message);
  return text.split('\n').filter((line) => line.trim() !== '');
}

/** The streams and packets of a file, as ffprobe tells them. */
export async function probe(file) {
  const entries =
    'stream=index,codec_name,codec_type,width,height,sample_rate,channels,profile:packet=stream_index,pts_time,dts_time,flags';
  const { streams, packets } = JSON.parse(
    await run('ffprobe', ['-v', 'error', '-show_entries', entries, '-of', 'json', file]),
  );
  const of = (type) => {
    const stream = streams.find(({ codec_type }) => codec_type === type);
    if (!stream) return null;
    const own = packets.filter(({ stream_index }) => stream_index === stream.index);
    return {
      ...stream,
      dts: own.map(({ dts_time }) => Number(dts_time)),
      pts: own.map(({ pts_time }) => Number(pts_time)),
    };
  };
  return { video: of('video'), audio: of('audio') };
}

/** Whether times only go forward. */
export const increasing = (times) => times.every((time, at) => at === 0 || time > times[at - 1]);

/** Loudness of a file in dB below full scale: the mean over the whole. */
export async function meanVolume(file) {
  const text = await run('ffmpeg', [
    '-nostdin',
    '-hide_banner',
    '-i',
    file,
    '-vn',
    '-af',
    'volumedetect',
    '-f',
    'null',
    '-',
  ]);
  return Number(/mean_volume: (-?[\d.]+|-inf) dB/.exec(text)?.[1].replace('inf', 'Infinity'));
}

/** Times of the white field's appearing in a file, in s. */
async function flashes(file) {
  const filter = 'crop=200:80:220:280,signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-';
  const text = await run('ffmpeg', [
    ...QUIET,
    '-i',
    file,
    '-an',
    '-vf',
    filter,
    '-fps_mode',
    'passthrough',
    '-f',
    'null',
    '-',
  ]);
  const found = [];
  let light = true;
  for (const [, time, level] of text.matchAll(/pts_time:(\S+)\s+lavfi\.signalstats\.YAVG=(\S+)/g)) {
    if (Number(level) > 128 && !light) found.push(Number(time));
    light = Number(level) > 128;
  }
  return found;
}

/** Times of a file's beeps, in s. */
async function beeps(file) {
  const rate = 8000;
  const raw = `${file}.pcm`;
  const start = Number(
    (
      await run('ffprobe', [
        '-v',
        'error',
        '-select_streams',
        'a',
        '-show_entries',
        'packet=pts_time',
        '-read_intervals',
        '%+#1',
        '-of',
        'csv=p=0',
        file,
      ])
    ).split(/[\s,]/)[0],
  );
  await run('ffmpeg', [
    ...QUIET,
    '-y',
    '-i',
    file,
    '-vn',
    '-af',
    `aresample=${rate}:async=1`,
    '-ac',
    '1',
    '-f',
    's16le',
    raw,
  ]);
  const data = await readFile(raw);
  const found = [];
  let loudUntil = -1;
  const block = 40;
  for (let at = 0; at + block <= data.length / 2; at += block) {
    let power = 0;
    for (let sample = at; sample < at + block; sample += 1)
      power += (data.readInt16LE(sample * 2) / 32768) ** 2 / block;
    if (power > 0.003) {
      if (at / rate - loudUntil > 0.3) found.push(start + at / rate);
      loudUntil = at / rate;
    }
  }
  return found;
}

/** For every flash of a file the nearest beep: `{ at, offset }` in s and ms; positive when the sound is late. */
export async function offsets(file) {
  const [seen, heard] = await Promise.all([flashes(file), beeps(file)]);
  return seen
    .map((at) => ({
      at,
      offset: heard.map((beep) => (beep - at) * 1000).sort((a, b) => Math.abs(a) - Math.abs(b))[0],
    }))
    .filter(({ offset }) => offset !== undefined && Math.abs(offset) < 500);
}

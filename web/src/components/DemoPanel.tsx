import type { ReactNode } from 'react';
import type { PatientFigures } from '../api/demo';
import type { Messages } from '../i18n';
import { useMessages } from './language';

/** Quieter than this is a microphone's own noise. */
const SILENCE_DBFS = -60;

interface RowProps {
  readonly name: string;
  readonly label: string;
  readonly value: string;
  readonly unit?: string;
}

function Row({ name, label, value, unit }: RowProps): ReactNode {
  return (
    <div data-figure={name}>
      <dt>{label}</dt>
      <dd>
        {value} {unit !== undefined && <small>{unit}</small>}
      </dd>
    </div>
  );
}

interface Shown {
  readonly fps: string;
  readonly size: string;
  readonly delay: string;
  readonly sound: string;
  /** Percent of the bar. */
  readonly level: number;
}

const NOTHING = { fps: null, width: null, height: null, delayMs: null, audioDbfs: null };

/** The figures as they are shown; whatever is unknown, or not arriving, is a dash. */
function texts(figures: PatientFigures | null, demo: Messages['demo']): Shown {
  const { fps, width, height, delayMs, audioDbfs } = figures?.connected ? figures : NOTHING;
  const rounded = (value: number | null): string =>
    value === null ? demo.unknown : String(Math.round(value));
  const audible = audioDbfs !== null && audioDbfs > SILENCE_DBFS;
  return {
    fps: rounded(fps),
    size: width === null || height === null ? demo.unknown : `${width}×${height}`,
    // On one machine it is far below a millisecond, and a bare 0 would look like nothing measured.
    delay: delayMs !== null && delayMs < 10 ? String(Number(delayMs.toPrecision(1))) : rounded(delayMs),
    sound: audible || audioDbfs === null ? rounded(audioDbfs) : demo.silent,
    level: audible ? Math.min(100, (1 - audioDbfs / SILENCE_DBFS) * 100) : 0,
  };
}

interface Props {
  readonly figures: PatientFigures | null;
}

/** What arrives at the far end: the half of a call that one never sees oneself. */
export function DemoPanel({ figures }: Props): ReactNode {
  const { demo } = useMessages();
  const arriving = figures?.connected === true;
  const shown = texts(figures, demo);
  return (
    <aside className="demo" aria-label={demo.title} data-connected={arriving}>
      <h2>{demo.title}</h2>
      <p>{arriving ? demo.explain : demo.waiting}</p>
      <dl>
        <Row name="fps" label={demo.pictures} value={shown.fps} unit={demo.perSecond} />
        <Row name="size" label={demo.size} value={shown.size} />
        <Row name="delay" label={demo.delay} value={shown.delay} unit="ms" />
        <Row name="sound" label={demo.sound} value={shown.sound} unit="dBFS" />
      </dl>
      <div className="level" aria-hidden="true">
        <span style={{ inlineSize: `${shown.level}%` }} />
      </div>
    </aside>
  );
}

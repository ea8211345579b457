import type { CaptureTrouble } from '../media/camera';
import type { Trouble } from '../media/session';

/** Every text of the pages, in one language. */
export interface Messages {
  readonly lang: string;
  readonly title: string;
  readonly start: string;
  readonly stop: string;
  readonly mic: string;
  readonly camera: string;
  readonly on: string;
  readonly off: string;
  readonly soundBlocked: string;
  readonly you: string;
  readonly patient: string;
  readonly quality: (fps: number, width: number, height: number, kbps: number) => string;
  /** Seconds behind live. */
  readonly behind: (seconds: number) => string;
  /** What the doctor sees of the patient. */
  readonly reading: StateTexts;
  /** What is known of the doctor's picture on its way out. */
  readonly publishing: StateTexts;
  /** The page that only watches a path, and the one that only publishes it. */
  readonly watching: StateTexts;
  readonly sending: StateTexts;
  readonly asking: string;
  readonly capture: Record<CaptureTrouble, string>;
  readonly signIn: {
    readonly title: string;
    readonly user: string;
    readonly password: string;
    readonly submit: string;
  };
  readonly demo: {
    readonly title: string;
    readonly explain: string;
    readonly pictures: string;
    readonly size: string;
    readonly sound: string;
    readonly delay: string;
    readonly waiting: string;
    readonly silent: string;
    readonly unknown: string;
    readonly perSecond: string;
  };
}

/** One sentence for every state that a session can be in. */
export interface StateTexts extends Record<Trouble, string> {
  readonly idle: string;
  readonly connecting: string;
  readonly live: string;
  readonly interrupted: string;
}

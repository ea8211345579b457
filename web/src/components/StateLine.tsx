import type { ReactNode } from 'react';
import type { StateTexts } from '../i18n/messages';
import type { SessionState } from '../media/session';
import { stateMark, stateText } from './stateText';

interface Props {
  readonly state: SessionState;
  readonly texts: StateTexts;
  /** For scripts and tests: which session this line speaks of. */
  readonly name: string;
  /** Takes the sentence's place, such as a camera's trouble. */
  readonly instead?: string | null;
}

export function StateLine({ state, texts, name, instead }: Props): ReactNode {
  const mark = instead ? 'bad' : stateMark(state);
  return (
    <p className="state" data-mark={mark} data-session={name} data-phase={state.phase} role="status">
      <span className="dot" aria-hidden="true" />
      <span>{instead ?? stateText(state, texts)}</span>
    </p>
  );
}

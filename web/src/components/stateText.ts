import type { StateTexts } from '../i18n/messages';
import type { SessionState } from '../media/session';

/** The sentence for a state. */
export function stateText(state: SessionState, texts: StateTexts): string {
  return 'trouble' in state ? texts[state.trouble] : texts[state.phase];
}

/** How a state is marked beside its sentence: never by colour alone. */
export function stateMark(state: SessionState): 'off' | 'busy' | 'good' | 'bad' {
  switch (state.phase) {
    case 'idle':
      return 'off';
    case 'live':
      return 'good';
    case 'connecting':
      return 'busy';
    case 'interrupted':
      return 'bad';
    case 'waiting':
      return state.trouble === 'absent' ? 'busy' : 'bad';
    case 'refused':
      return 'bad';
  }
}

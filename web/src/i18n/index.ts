import { en } from './en';
import type { Messages } from './messages';
import { zh } from './zh';

export type { Messages };

/** The first of the person's languages that there is; Chinese of any kind reads the simplified texts. */
export function messagesFor(languages: readonly string[]): Messages {
  for (const language of languages) {
    if (/^zh\b/i.test(language)) {
      return zh;
    }
    if (/^en\b/i.test(language)) {
      return en;
    }
  }
  return en;
}

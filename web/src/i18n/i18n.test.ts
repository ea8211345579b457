import { expect, it } from 'vitest';
import { messagesFor } from './index';

it.each([
  [['zh-CN', 'en'], 'zh-CN'],
  [['zh'], 'zh-CN'],
  [['zh-TW'], 'zh-CN'],
  [['en-GB', 'zh-CN'], 'en'],
  [['de-DE', 'zh-CN', 'en'], 'zh-CN'],
  [['de'], 'en'],
  [[], 'en'],
])('%j reads %s', (languages, lang) => {
  expect(messagesFor(languages).lang).toBe(lang);
});

it('has a sentence of its own for every trouble, in each language', () => {
  for (const messages of [messagesFor(['zh']), messagesFor(['en'])]) {
    for (const texts of [messages.reading, messages.publishing, messages.capture]) {
      const sentences: string[] = Object.values<string>({ ...texts });
      expect(sentences.every((sentence) => sentence.trim().length > 1)).toBe(true);
      expect(new Set(sentences).size).toBe(sentences.length);
    }
  }
});

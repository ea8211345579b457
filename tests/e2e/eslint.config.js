import js from '@eslint/js';
import globals from 'globals';

export default [
  js.configs.recommended,
  { languageOptions: { globals: globals.node } },
  // Runs inside the page.
  {
    files: ['lib/inpage.js'],
    languageOptions: {
      sourceType: 'script',
      globals: { ...globals.browser, MediaStreamTrackGenerator: 'readonly' },
    },
  },
];

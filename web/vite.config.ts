import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

const server = process.env.MEDLEY_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [react()],
  build: {
    // No stream path can hold an '@', so a stream can never be called like the page's own files.
    assetsDir: '@page',
    // Nothing is fetched from elsewhere and nothing is inlined: the page works under a strict content policy.
    assetsInlineLimit: 0,
    target: 'es2022',
    // index.html for everything by WebRTC; hls.html for who watches by HLS, which loads its player only then.
    rolldownOptions: { input: ['index.html', 'hls.html'] },
  },
  server: {
    // `npm run dev` beside a running server: its media routes and the demo's figures come from there.
    proxy: {
      '/demo': server,
      '^/.+/(whip|whep)(/.*)?$': server,
      '^/.+\\.(m3u8|mp4|ts)(\\?.*)?$': server,
    },
  },
  test: {
    include: ['src/**/*.test.ts', 'src/**/*.test.tsx'],
  },
});

import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Language } from './components/language';
import { messagesFor } from './i18n';
import { credentialsFromFragment } from './media/credentials';
import { playerFor } from './media/hlsPlayer';
import { HlsViewer } from './media/hlsViewer';
import { followPage } from './media/lifecycle';
import { HlsPage } from './pages/HlsPage';
import { placeOf } from './pages/place';
import './style.css';

const messages = messagesFor(navigator.languages);
document.documentElement.lang = messages.lang;
document.title = `${messages.title} · Medley`;

const place = placeOf(location.pathname, '');
const path = place.page === 'watch' ? place.path : '';
const viewer = new HlsViewer(`/${path}/index.m3u8`, credentialsFromFragment(location.hash), playerFor);
followPage({ hurry: viewer.hurry, leave: viewer.stop, devicesChanged: () => undefined });
viewer.start();

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <Language value={messages}>
        <HlsPage viewer={viewer} path={path} />
      </Language>
    </StrictMode>,
  );
}

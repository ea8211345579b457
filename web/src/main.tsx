import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Language } from './components/language';
import { messagesFor } from './i18n';
import { credentialsFromFragment } from './media/credentials';
import { Call, type CallPaths } from './pages/call';
import { Page } from './pages/Page';
import { pictureSize, placeOf, type Place } from './pages/place';
import './style.css';

function pathsOf(place: Place): CallPaths {
  switch (place.page) {
    case 'doctor':
      return { publish: place.publish, read: place.read };
    case 'watch':
      return { read: place.path };
    case 'publish':
      return { publish: place.path };
  }
}

const messages = messagesFor(navigator.languages);
document.documentElement.lang = messages.lang;
document.title = `${messages.title} · Medley`;

const place = placeOf(location.pathname, location.search);
const call = new Call(pathsOf(place), pictureSize(location.search), credentialsFromFragment(location.hash));
call.attach();
// Watching disturbs nobody, so it begins at once; a camera waits to be asked.
if (place.page === 'watch' || (place.page === 'doctor' && place.auto)) {
  call.start();
}

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <Language value={messages}>
        <Page call={call} path={place.page === 'watch' ? place.path : ''} />
      </Language>
    </StrictMode>,
  );
}

import type { Messages, StateTexts } from './messages';

const reading: StateTexts = {
  idle: 'Press Start to see the patient here',
  connecting: 'Connecting to the patient…',
  live: 'The patient is here',
  interrupted: 'The patient’s picture broke off; mending the connection…',
  offline: 'The server cannot be reached; trying again by itself…',
  unauthorized: 'Please sign in to watch',
  forbidden: 'This account may not watch this stream',
  absent: 'The patient has not joined yet; the picture will appear by itself',
  busy: 'This stream is in use; trying again…',
  unacceptable: 'A browser cannot play the patient’s kind of video',
  server: 'The server cannot do this at the moment; trying again…',
  unreachable: 'The server answers, but the network (a firewall?) blocks sound and picture; trying again…',
  lost: 'The connection to the patient was lost; connecting again…',
};

const publishing: StateTexts = {
  idle: 'Not started',
  connecting: 'Connecting…',
  live: 'The patient can see you',
  interrupted: 'Unsteady network; mending the connection…',
  offline: 'The server cannot be reached; trying again by itself…',
  unauthorized: 'Please sign in to begin',
  forbidden: 'This account may not send video',
  absent: 'The server does not know this stream; trying again…',
  busy: 'Another page is using this stream; trying again…',
  unacceptable: 'The server does not take this computer’s kind of video',
  server: 'The server cannot do this at the moment; trying again…',
  unreachable: 'The network (a firewall?) blocks sound and picture; trying again…',
  lost: 'The connection was lost; connecting again…',
};

const watching: StateTexts = {
  ...reading,
  idle: 'Press Start to watch',
  connecting: 'Connecting…',
  live: 'Playing',
  interrupted: 'The picture broke off; mending the connection…',
  absent: 'Nothing is published here yet; the picture will appear by itself',
  unacceptable: 'A browser cannot play this stream’s kind of video',
  lost: 'The connection was lost; connecting again…',
};

const sending: StateTexts = {
  ...publishing,
  idle: 'Press Start to send',
  live: 'Sending',
  unauthorized: 'Please sign in to send',
};

export const en: Messages = {
  lang: 'en',
  title: 'Video consultation',
  start: 'Start',
  stop: 'End',
  mic: 'Microphone',
  camera: 'Camera',
  on: 'on',
  off: 'off',
  soundBlocked: 'Click here for sound',
  you: 'You',
  patient: 'Patient',
  quality: (fps, width, height, kbps) => `${width}×${height} · ${fps} pictures/s · ${kbps} kbit/s`,
  behind: (seconds) => `${seconds.toFixed(1)} s behind live`,
  reading,
  publishing,
  watching,
  sending,
  asking: 'Please allow the camera and microphone in the window that the browser opened',
  capture: {
    denied:
      'The browser may not use the camera and microphone. Click the icon left of the address, choose “Allow”, then press Start.',
    missing: 'No camera or microphone was found. Plug one in and it continues by itself.',
    inUse: 'Another program is using the camera or microphone. Close it, then press Start.',
    insecure: 'Browsers give the camera to https pages only. Please open this page by its https address.',
    unknown: 'The camera or microphone could not be opened. Check the device, then press Start.',
  },
  signIn: { title: 'Please sign in', user: 'User', password: 'Password', submit: 'Sign in' },
  demo: {
    title: 'At the patient’s end',
    explain: 'A simulated patient plays your stream over RTMP and measures this',
    pictures: 'Picture',
    size: 'Size',
    sound: 'Sound',
    delay: 'Server to patient',
    waiting: 'Nothing of you has arrived yet',
    silent: 'silent',
    unknown: '—',
    perSecond: '/s',
  },
};

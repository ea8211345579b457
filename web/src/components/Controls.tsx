import { useEffect, type ReactNode } from 'react';
import { CameraIcon, MicIcon } from './icons';
import { useMessages } from './language';

interface ToggleProps {
  readonly on: boolean;
  readonly label: string;
  readonly shortcut: string;
  readonly icon: ReactNode;
  readonly onToggle: () => void;
}

function Toggle({ on, label, shortcut, icon, onToggle }: ToggleProps): ReactNode {
  const messages = useMessages();
  return (
    <button
      type="button"
      className="toggle"
      aria-pressed={on}
      aria-keyshortcuts={shortcut}
      title={`${label} (${shortcut})`}
      onClick={onToggle}
    >
      {icon}
      <span>
        {label} {on ? messages.on : messages.off}
      </span>
    </button>
  );
}

/** Calls `run` when `key` is pressed outside a field. */
function useKey(key: string, run: () => void): void {
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      const inField = event.target instanceof HTMLElement && event.target.matches('input, textarea, select');
      if (event.key.toLowerCase() === key && !event.ctrlKey && !event.metaKey && !event.altKey && !inField) {
        run();
      }
    };
    window.addEventListener('keydown', pressed);
    return () => {
      window.removeEventListener('keydown', pressed);
    };
  }, [key, run]);
}

interface Props {
  readonly running: boolean;
  readonly onStart: () => void;
  readonly onStop: () => void;
  /** Absent on a page that only watches. */
  readonly devices?: {
    readonly mic: boolean;
    readonly camera: boolean;
    readonly toggleMic: () => void;
    readonly toggleCamera: () => void;
  };
}

const nothing = (): void => undefined;

export function Controls({ running, onStart, onStop, devices }: Props): ReactNode {
  const messages = useMessages();
  useKey('m', devices?.toggleMic ?? nothing);
  useKey('v', devices?.toggleCamera ?? nothing);
  return (
    <footer className="controls">
      {devices && (
        <Toggle
          on={devices.mic}
          label={messages.mic}
          shortcut="M"
          icon={<MicIcon off={!devices.mic} />}
          onToggle={devices.toggleMic}
        />
      )}
      {running ? (
        <button type="button" id="stop" className="main stop" onClick={onStop}>
          {messages.stop}
        </button>
      ) : (
        <button type="button" id="start" className="main start" onClick={onStart}>
          {messages.start}
        </button>
      )}
      {devices && (
        <Toggle
          on={devices.camera}
          label={messages.camera}
          shortcut="V"
          icon={<CameraIcon off={!devices.camera} />}
          onToggle={devices.toggleCamera}
        />
      )}
    </footer>
  );
}

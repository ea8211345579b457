import type { ReactNode } from 'react';

interface Props {
  readonly off: boolean;
}

function Icon({ children, off = false }: Partial<Props> & { readonly children: ReactNode }): ReactNode {
  return (
    <svg viewBox="0 0 24 24" width="22" height="22" fill="none" stroke="currentColor" aria-hidden="true">
      <g strokeWidth="1.8" strokeLinecap="round" strokeLinejoin="round">
        {children}
        {off && <path d="M4 3l16 18" />}
      </g>
    </svg>
  );
}

export function MicIcon({ off }: Props): ReactNode {
  return (
    <Icon off={off}>
      <rect x="9" y="3" width="6" height="11" rx="3" />
      <path d="M5 11a7 7 0 0 0 14 0M12 18v3" />
    </Icon>
  );
}

export function CameraIcon({ off }: Props): ReactNode {
  return (
    <Icon off={off}>
      <rect x="3" y="6" width="12" height="12" rx="2.5" />
      <path d="M15 10.5l6-3.5v10l-6-3.5" />
    </Icon>
  );
}

export function SpeakerIcon(): ReactNode {
  return (
    <Icon>
      <path d="M4 9v6h4l5 4V5L8 9zM16.5 8.5a5 5 0 0 1 0 7M19 6a8.5 8.5 0 0 1 0 12" />
    </Icon>
  );
}

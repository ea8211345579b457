import type { ReactNode } from 'react';
import { useMessages } from '../components/language';
import type { Call } from './call';
import { DoctorPage } from './DoctorPage';
import { PublishPage } from './PublishPage';
import { WatchPage } from './WatchPage';

interface Props {
  readonly call: Call;
  readonly path: string;
}

/** The page for what a call does: both directions, or one. */
export function Page({ call, path }: Props): ReactNode {
  const messages = useMessages();
  const { publisher, reader } = call;
  return (
    <>
      <header>
        <img src="/@page/icon.svg" alt="" width="28" height="28" />
        <h1>{messages.title}</h1>
      </header>
      {publisher && reader && <DoctorPage call={call} publisher={publisher} reader={reader} />}
      {publisher && !reader && <PublishPage call={call} publisher={publisher} />}
      {!publisher && reader && <WatchPage call={call} reader={reader} path={path} />}
    </>
  );
}

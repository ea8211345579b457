import { Camera, type PictureSize } from '../media/camera';
import type { Credentials } from '../media/credentials';
import { followPage } from '../media/lifecycle';
import { Observable } from '../media/observable';
import { Publisher } from '../media/publisher';
import { Reader } from '../media/reader';
import type { Endpoint } from '../media/resource';
import { endpointUrl } from './place';

/** Which paths a page sends and shows. */
export interface CallPaths {
  readonly publish?: string | undefined;
  readonly read?: string | undefined;
}

/** Whatever of sending and showing a page does, started and stopped together. */
export class Call {
  readonly running = new Observable(false);
  readonly camera: Camera;
  readonly publisher: Publisher | null;
  readonly reader: Reader | null;

  #credentials: Credentials | null;

  constructor(paths: CallPaths, size: PictureSize, credentials: Credentials | null) {
    this.#credentials = credentials;
    this.camera = new Camera(size);
    const endpoint = (path: string, verb: 'whip' | 'whep'): Endpoint => ({
      url: endpointUrl(path, verb),
      credentials: () => this.#credentials,
    });
    this.publisher =
      paths.publish === undefined ? null : new Publisher(this.camera, endpoint(paths.publish, 'whip'));
    this.reader = paths.read === undefined ? null : new Reader(endpoint(paths.read, 'whep'));
  }

  readonly start = (): void => {
    this.running.set(true);
    // The patient appears at once, whatever the camera does.
    this.reader?.start();
    void this.publisher?.start();
  };

  readonly stop = (): void => {
    this.end(false);
  };

  /** Goes on as somebody else: what was refused is asked for again. */
  readonly signIn = (credentials: Credentials): void => {
    this.#credentials = credentials;
    this.start();
  };

  /** Connects this call to the page's events; the returned function disconnects it and ends the call. */
  attach(): () => void {
    const detach = followPage({
      hurry: () => {
        this.reader?.session.hurry();
        this.publisher?.session.hurry();
      },
      leave: () => {
        this.end(true);
      },
      devicesChanged: () => {
        void this.camera.devicesChanged();
      },
    });
    return () => {
      detach();
      this.end(false);
    };
  }

  private end(leaving: boolean): void {
    this.running.set(false);
    this.reader?.stop(leaving);
    this.publisher?.stop(leaving);
  }
}

/** What `medley demo` measures at the patient's end of the line, over real RTMP. */
export interface PatientFigures {
  readonly connected: boolean;
  /** Pictures in the last second. */
  readonly fps: number | null;
  readonly width: number | null;
  readonly height: number | null;
  /** Of the last second, in dB below full scale (0 is loudest); null while no sound arrived. */
  readonly audioDbfs: number | null;
  /** From the server's ingest to the patient's end, in ms; null while unknown. */
  readonly delayMs: number | null;
}

const number = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null;

/** Reads the answer of `GET /demo/patient`; a field that is missing or of another type is unknown. */
export function parseFigures(body: unknown): PatientFigures {
  const fields = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  return {
    connected: fields.connected === true,
    fps: number(fields.video_fps),
    width: number(fields.video_width),
    height: number(fields.video_height),
    audioDbfs: number(fields.audio_level_dbfs),
    delayMs: number(fields.delay_ms),
  };
}

/**
 * Asks once a second.
 *
 * @param onFigures is given null while the server does not answer; never called on a server that runs no demo
 * @returns stops asking
 */
export function followPatient(onFigures: (figures: PatientFigures | null) => void): () => void {
  let stopped = false;
  let known = false;
  let timer: ReturnType<typeof setTimeout> | null = null;

  const ask = async (): Promise<void> => {
    const figures = await fetch('/demo/patient', { cache: 'no-store' })
      .then(async (response) => (response.status === 200 ? parseFigures(await response.json()) : null))
      .catch(() => null);
    if (stopped || (figures === null && !known)) {
      return;
    }
    known = true;
    onFigures(figures);
    timer = setTimeout(() => void ask(), 1000);
  };

  void ask();
  return () => {
    stopped = true;
    if (timer !== null) {
      clearTimeout(timer);
    }
  };
}

/** How far a live picture may be behind its target before it is played faster, and when that ends, in s. */
const LATE = 0.35;
const NEAR = 0.2;
/** Nobody hears it. */
const FASTER = 1.05;
/** What must be buffered, or playing faster would end in a stall, in s. */
const LEAST_BUFFER = 0.3;

/**
 * How fast to play a live stream that is played at `rate`: `late` seconds behind where it is to be, with `buffered` seconds
 * to play. hls.js does it with more than a second in its buffer only, which with parts of 200 ms there never is: what
 * starting has cost would stay.
 */
export function catchUpRate(rate: number, late: number, buffered: number): number {
  if (buffered < LEAST_BUFFER || late < NEAR) {
    return 1;
  }
  return late > LATE ? FASTER : rate;
}

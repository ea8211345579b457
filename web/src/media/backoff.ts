/** How long to wait before the next attempt: doubling, with a ceiling, spread by chance. */
export class Backoff {
  #attempt = 0;

  /**
   * @param firstMs wait before the first retry
   * @param maxMs ceiling of the doubling
   * @param random a number in [0, 1)
   */
  constructor(
    private readonly firstMs: number,
    private readonly maxMs: number,
    private readonly random: () => number = Math.random,
  ) {}

  /**
   * The next wait in ms: between half and the whole of the doubled step. All pages of a clinic lose the server at the
   * same moment; the spread keeps them from coming back at the same moment.
   */
  next(): number {
    const step = Math.min(this.firstMs * 2 ** this.#attempt, this.maxMs);
    this.#attempt += 1;
    return this.spread(step);
  }

  /** A wait that does not grow: for what is expected to change soon, such as a patient who has not joined. */
  steady(stepMs: number): number {
    return this.spread(stepMs);
  }

  /** After a success the next failure starts from the beginning. */
  reset(): void {
    this.#attempt = 0;
  }

  private spread(step: number): number {
    return Math.round(step / 2 + (step / 2) * this.random());
  }
}

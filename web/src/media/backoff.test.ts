import { describe, expect, it } from 'vitest';
import { Backoff } from './backoff';

describe('Backoff', () => {
  it('doubles up to its ceiling and starts again after a success', () => {
    const backoff = new Backoff(500, 8000, () => 1);
    expect(Array.from({ length: 7 }, () => backoff.next())).toEqual([
      500, 1000, 2000, 4000, 8000, 8000, 8000,
    ]);
    backoff.reset();
    expect(backoff.next()).toBe(500);
  });

  it('spreads a wait over the upper half of its step', () => {
    expect(new Backoff(1000, 8000, () => 0).next()).toBe(500);
    expect(new Backoff(1000, 8000, () => 0.5).next()).toBe(750);
  });

  it('does not let a steady wait grow', () => {
    const backoff = new Backoff(500, 8000, () => 1);
    expect([backoff.steady(1500), backoff.steady(1500), backoff.next()]).toEqual([1500, 1500, 500]);
  });
});

import { describe, expect, it } from 'vitest';
import { Vitals } from './vitals';

describe('Vitals', () => {
  it('waits ten seconds for the first byte', () => {
    const vitals = new Vitals(0);
    expect(vitals.look(5_000, 'starting', 0)).toBe('starting');
    expect(vitals.look(9_900, 'up', 0)).toBe('starting');
    expect(vitals.look(10_100, 'up', 0)).toBe('unreachable');
  });

  it('tells a connection that never came up from one that was lost', () => {
    expect(new Vitals(0).look(10, 'down', 0)).toBe('unreachable');
    const vitals = new Vitals(0);
    vitals.look(10, 'up', 1);
    expect(vitals.look(20, 'down', 1)).toBe('lost');
  });

  it('lives while bytes come, and through short pauses', () => {
    const vitals = new Vitals(0);
    expect(vitals.look(100, 'up', 10)).toBe('live');
    expect(vitals.look(2_500, 'up', 10)).toBe('live');
    expect(vitals.look(2_600, 'up', null)).toBe('live');
    expect(vitals.look(3_000, 'up', 20)).toBe('live');
  });

  it('mends a stall once, then waits, then gives up', () => {
    const vitals = new Vitals(0);
    vitals.look(0, 'up', 10);
    expect(vitals.look(2_600, 'up', 10)).toBe('mend');
    expect(vitals.look(3_600, 'up', 10)).toBe('mending');
    expect(vitals.look(8_700, 'up', 10)).toBe('lost');
  });

  it('does not wait for a stall when ICE says that the way is gone', () => {
    const vitals = new Vitals(0);
    vitals.look(0, 'up', 10);
    expect(vitals.look(100, 'shaky', 10)).toBe('mend');
  });

  it('counts bytes on a shaky way for nothing: a publisher sends into the dark', () => {
    const vitals = new Vitals(0);
    vitals.look(0, 'up', 10);
    vitals.look(100, 'shaky', 20);
    expect(vitals.look(6_200, 'shaky', 900)).toBe('lost');
  });

  it('is live again, and may be mended again, after bytes came', () => {
    const vitals = new Vitals(0);
    vitals.look(0, 'up', 10);
    vitals.look(2_600, 'up', 10);
    expect(vitals.look(3_000, 'up', 11)).toBe('live');
    expect(vitals.look(5_600, 'up', 11)).toBe('mend');
  });
});

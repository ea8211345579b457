import { expect, test } from 'vitest';
import { catchUpRate } from './catchUp';

test('who is late plays faster until near the target, and not for a little delay', () => {
  expect(catchUpRate(1, 0.3, 0.5)).toBe(1);
  expect(catchUpRate(1, 0.4, 0.5)).toBe(1.05);
  expect(catchUpRate(1.05, 0.3, 0.5)).toBe(1.05);
  expect(catchUpRate(1.05, 0.1, 0.5)).toBe(1);
});

test('nobody is hurried into a stall', () => {
  expect(catchUpRate(1.05, 2, 0.1)).toBe(1);
});

import { describe, expect, it } from 'vitest';
import { headerTimeoutUs } from '../../../src/http/deadline.ts';

describe('the time that headers give', () => {
  it.each([
    ['', '', '', 0],
    ['250', '', '', 250_000],
    ['', '15000', '', 15_000_000],
    ['250', '100', '2S', 100_000],
    ['250', '100', '2m', 2_000],
    ['0', '0', '0S', 0],
    ['', '', '1H', 3.6e9],
    ['', '', '3M', 1.8e8],
    ['', '', '99999999u', 99_999_999],
    ['', '', '1500n', 2],
  ])('%j, %j and %j are %d us', (own, envoy, grpc, us) => {
    expect(headerTimeoutUs(own, envoy, grpc)).toBe(us);
  });

  it.each(['-1', '1.5', '1e3', ' 5', '12345678901', 'soon'])('passes over the malformed %j', (text) => {
    expect(headerTimeoutUs(text, text, text)).toBe(0);
    expect(headerTimeoutUs('7', text, `${text}S`)).toBe(7_000);
  });

  it.each(['5', '5s', '123456789S', 'S', '5 S'])('passes over the malformed grpc-timeout %j', (text) => {
    expect(headerTimeoutUs('', '', text)).toBe(0);
  });
});

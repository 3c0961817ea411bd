import { describe, expect, it } from 'vitest';
import { continueTrace } from '../../../src/http/trace.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const FORM = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

describe('the traceparent of an answer', () => {
  it.each([
    ['sampled', `00-${TRACE}-${PARENT}-01`, '01'],
    ['not sampled', `00-${TRACE}-${PARENT}-00`, '00'],
    ['of a later version, which may say more', `cc-${TRACE}-${PARENT}-01-what the future has`, '01'],
  ])('continues one that is %s, with a span of its own', (_what, header, flags) => {
    const [version, trace, span, ownFlags] = continueTrace(header).split('-');
    expect([version, trace, ownFlags]).toEqual(['00', TRACE, flags]);
    expect(span).toMatch(/^[0-9a-f]{16}$/);
    expect(span).not.toBe(PARENT);
  });

  it.each([
    '',
    'x',
    `ff-${TRACE}-${PARENT}-01`,
    `00-${TRACE}-${PARENT}-01-more`,
    `00-${'0'.repeat(32)}-${PARENT}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${PARENT}-01`,
    `00-${TRACE}-${PARENT}`,
  ])('begins a new trace where the caller sent %j', (header) => {
    const answer = continueTrace(header);
    expect(answer).toMatch(FORM);
    expect(answer).not.toContain(TRACE);
    expect(answer).not.toContain('0'.repeat(32));
  });
});

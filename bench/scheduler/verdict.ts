/** What the cells of a contest say together: who is best where, what is attained, how late and how early a refusal is. */

import type { Played, Result } from './contest.ts';
import type { Score } from './tally.ts';

/** Beside the best is within 3 % of it. */
const BESIDE = 0.97;
/** Noise up to which lateness is judged. */
const CALM_SIGMA = 0.1;

/** One contestant over all cells. */
export interface Standing {
  readonly name: string;
  /** Mean and least of goodput over what a smooth server attains. */
  readonly goodput: number;
  readonly least: number;
  /** Late over served: where the noise is at most sigma 0.1, and above. NaN where nothing was served. */
  readonly lateCalm: number;
  readonly lateNoisy: number;
  /** Mean time until a rejection over the target. */
  readonly reject: number;
  /** Share of cells where nobody is more than 3 % better. */
  readonly best: number;
}

/** One cell from the side of one contestant. */
export interface Duel {
  readonly result: Result;
  readonly rival: string;
  /** Goodput over the best rival's; 1 where both have none. */
  readonly ratio: number;
  /** Goodput over what a smooth server attains. */
  readonly attained: number;
  /** The same of one that never lets a lane idle while somebody waits. */
  readonly attainedAtOnce: number;
}

/** Whether the curve stays what it was. */
export function isStationary({ shift }: Result): boolean {
  return shift === 1;
}

/** The contestant against the best of the others, cell by cell. */
export function duels(results: readonly Result[], name: string): Duel[] {
  return results.map((result) => {
    const others = Object.entries(result.scores).filter(([other]) => other !== name);
    const [rival, most] = others.reduce((a, b) => (b[1].good > a[1].good ? b : a));
    const { good } = scoreOf(result, name);
    return {
      result,
      rival,
      ratio: ratio(good, most.good),
      attained: attained(result, name),
      attainedAtOnce: ratio(good, result.atOnce),
    };
  });
}

/** Whether the contestant is best or beside the best. */
export function isBest({ ratio }: Duel): boolean {
  return ratio >= BESIDE;
}

/** Every contestant, the best goodput first. */
export function standings(results: readonly Result[]): Standing[] {
  const names = Object.keys(results[0]?.scores ?? {});
  return names.map((name) => standingOf(results, name)).sort((a, b) => b.goodput - a.goodput);
}

/** One of them. @param results not empty */
export function standingOf(results: readonly Result[], name: string): Standing {
  const shares = results.map((result) => attained(result, name));
  const isCalm = ({ sigma }: Result) => sigma <= CALM_SIGMA;
  return {
    name,
    goodput: sum(shares) / shares.length,
    least: Math.min(...shares),
    lateCalm: lateOf(results.filter(isCalm), name),
    lateNoisy: lateOf(
      results.filter((result) => !isCalm(result)),
      name,
    ),
    reject: rejectOf(results, name),
    best: duels(results, name).filter(isBest).length / results.length,
  };
}

/** Late, or promised and given up, of what was served or promised: who promises nothing breaks no promise. Of all cells together. */
export function lateOf(results: readonly Played[], name: string): number {
  const scores = results.map((result) => scoreOf(result, name));
  const missed = sum(scores.map(({ late, broken }) => late + broken));
  return missed / (missed + sum(scores.map(({ good }) => good)));
}

/** Mean time to reject over the target, every rejection counted once; 0 where there is none. */
export function rejectOf(results: readonly Played[], name: string): number {
  let [shares, count] = [0, 0];
  for (const result of results) {
    const { refused, dropped, rejectUs } = scoreOf(result, name);
    shares += ((refused + dropped) * rejectUs) / result.targetUs;
    count += refused + dropped;
  }
  return count === 0 ? 0 : shares / count;
}

/** Goodput over the smaller of offered and the ceiling, as the mean rates have it. */
export function ofLimit(result: Result, name: string): number {
  return ratio(scoreOf(result, name).good, result.limit);
}

/** Goodput over what a smooth server attains; 1 where both have none. */
export function attained(result: Played, name: string): number {
  return ratio(scoreOf(result, name).good, result.attainable);
}

function scoreOf({ scores }: Played, name: string): Score {
  const score = scores[name];
  if (score === undefined) throw new RangeError(`'${name}' did not take part`);
  return score;
}

function ratio(ours: number, others: number): number {
  return others === 0 && ours === 0 ? 1 : ours / others;
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

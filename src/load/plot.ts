/** Drawings of figures as SVG: lines over two axes, and bars. No script, no style of their own: the page has both. */

import type { Axis } from './axis.ts';
import { type Markup, markup, NOTHING } from './markup.ts';

/** One line of a plot. */
export interface Series {
  readonly name: string;
  /** Class of its colour in the page's style. */
  readonly tone: string;
  readonly dashed?: boolean;
  /** Whether each point has a dot that tells its values. */
  readonly dots?: boolean;
  readonly points: readonly Point[];
}

/** A point, and what its dot tells. */
export interface Point {
  readonly x: number;
  readonly y: number;
  readonly label?: string;
  /** Not to be relied on: drawn hollow. */
  readonly doubtful?: boolean;
}

/** What a plot shows, in words for those who do not see it. */
export interface Caption {
  /** Unique on the page; letters and digits. */
  readonly id: string;
  readonly title: string;
  readonly description: string;
}

/** A bar. */
export interface Bar {
  readonly name: string;
  /** 0 to 1. */
  readonly share: number;
  readonly label: string;
}

const WIDTH = 640;
const HEIGHT = 340;
const LEFT = 76;
const RIGHT = 24;
const TOP = 14;
const BOTTOM = 50;
const INNER_WIDTH = WIDTH - LEFT - RIGHT;
const INNER_HEIGHT = HEIGHT - TOP - BOTTOM;
const DOT = 4;

const BARS_WIDTH = 320;
const BARS_HEIGHT = 150;
const BARS_INNER = 104;
/** Width of a character of a bar's name, and the space between two names. */
const NAME_CHARACTER = 6.5;
const NAME_SPACE = 10;

/** Lines over two axes, with their legend. */
export function linePlot(caption: Caption, x: Axis, y: Axis, series: readonly Series[]): Markup {
  const body = [...grid(x, y), ...series.map((one) => line(one, x, y)), ...series.map((one) => dots(one, x, y))];
  return markup`${legend(series)}
${svg(caption, WIDTH, HEIGHT, body)}`;
}

/** Bars side by side: shares of a whole. */
export function barPlot(caption: Caption, bars: readonly Bar[]): Markup {
  const most = Math.max(...bars.map(({ share }) => share), 1e-9);
  const width = BARS_WIDTH / bars.length;
  const longest = Math.max(...bars.map(({ name }) => name.length)) * NAME_CHARACTER + NAME_SPACE;
  const every = Math.ceil(longest / width);
  const body = bars.map(({ name, share, label }, i) => {
    const height = Math.max((BARS_INNER * share) / most, share > 0 ? 1 : 0);
    const middle = width * (i + 0.5);
    const inside = Math.min(width * 0.78, 60);
    const top = 14 + BARS_INNER - height;
    return markup`<g><title>${label}</title>
<rect class="bar" x="${middle - inside / 2}" y="${top}" width="${inside}" height="${height}" rx="2" />
${i % every === 0 ? markup`<text class="tick" x="${middle}" y="${BARS_HEIGHT - 14}" text-anchor="middle">${name}</text>` : NOTHING}</g>`;
  });
  const base = markup`<line class="base" x1="0" x2="${BARS_WIDTH}" y1="${14 + BARS_INNER}" y2="${14 + BARS_INNER}" />`;
  return svg(caption, BARS_WIDTH, BARS_HEIGHT, [...body, base]);
}

function svg({ id, title, description }: Caption, width: number, height: number, body: readonly Markup[]): Markup {
  return markup`<svg viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="${id}-t ${id}-d">
<title id="${id}-t">${title}</title>
<desc id="${id}-d">${description}</desc>
${body}
</svg>`;
}

function legend(series: readonly Series[]): Markup {
  const items = series.map(
    ({ name, tone, dashed }) =>
      markup`<li class="${tone}"><span class="${dashed ? 'key dashed' : 'key'}"></span>${name}</li>`,
  );
  return markup`<ul class="legend">${items}</ul>`;
}

function grid(x: Axis, y: Axis): Markup[] {
  const bottom = TOP + INNER_HEIGHT;
  const across = y.ticks.map(([at, label]) => {
    const level = bottom - INNER_HEIGHT * at;
    return markup`<line class="grid" x1="${LEFT}" x2="${LEFT + INNER_WIDTH}" y1="${level}" y2="${level}" />
<text class="tick" x="${LEFT - 10}" y="${level + 4}" text-anchor="end">${label}</text>`;
  });
  const below = x.ticks.map(([at, label]) => {
    const middle = LEFT + INNER_WIDTH * at;
    return markup`<line class="grid" x1="${middle}" x2="${middle}" y1="${bottom}" y2="${bottom + 5}" />
<text class="tick" x="${middle}" y="${bottom + 20}" text-anchor="middle">${label}</text>`;
  });
  const names = markup`<text class="axis" x="${LEFT + INNER_WIDTH / 2}" y="${HEIGHT - 6}" text-anchor="middle">${x.title}</text>
<text class="axis" transform="translate(12 ${TOP + INNER_HEIGHT / 2}) rotate(-90)" text-anchor="middle">${y.title}</text>
<line class="base" x1="${LEFT}" x2="${LEFT + INNER_WIDTH}" y1="${bottom}" y2="${bottom}" />`;
  return [...across, ...below, names];
}

function placed({ x, y }: Point, across: Axis, up: Axis): readonly [number, number] {
  return [LEFT + INNER_WIDTH * across.place(x), TOP + INNER_HEIGHT * (1 - up.place(y))];
}

function line({ points, tone, dashed }: Series, x: Axis, y: Axis): Markup {
  const places = points.map((point) =>
    placed(point, x, y)
      .map((at) => Math.round(at * 10) / 10)
      .join(','),
  );
  return markup`<polyline class="${dashed ? 'line dashed' : 'line'} ${tone}" points="${places.join(' ')}" />`;
}

function dots({ points, tone, dots: drawn }: Series, x: Axis, y: Axis): Markup {
  if (!drawn) return NOTHING;
  const circles = points.map((point) => {
    const [cx, cy] = placed(point, x, y);
    const style = point.doubtful ? 'dot doubtful' : 'dot';
    return markup`<circle class="${style} ${tone}" cx="${cx}" cy="${cy}" r="${DOT}"><title>${point.label ?? ''}</title></circle>`;
  });
  return markup`${circles}`;
}

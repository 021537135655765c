// Line plots as SVG, drawn by nobody but us: axes, lines, a legend, and colours that are told apart in light and dark pages.

export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  readonly dashed?: boolean;
}

export interface Plot {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly series: readonly Series[];
  /** Upper ends of the axes; the largest value when left out. */
  readonly xMax?: number;
  readonly yMax?: number;
}

const width = 640;
const height = 360;
const edge = { left: 60, right: 20, top: 34, bottom: 78 };
// Okabe and Ito's colours, which people with any colour vision tell apart.
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];
const ticks = 5;

export function svgPlot({ title, x, y, series, xMax, yMax }: Plot): string {
  const right = xMax ?? largest(series.flatMap(({ points }) => points.map(([at]) => at)));
  const top = yMax ?? largest(series.flatMap(({ points }) => points.map(([, at]) => at)));
  const toX = (value: number): number => edge.left + (value / right) * (width - edge.left - edge.right);
  const toY = (value: number): number => height - edge.bottom - (value / top) * (height - edge.top - edge.bottom);
  const lines = series.map(({ points, dashed }, at) => {
    const path = points.map(([px, py]) => `${round(toX(Math.min(px, right)))},${round(toY(Math.min(py, top)))}`);
    const dash = dashed === true ? ' stroke-dasharray="5 4"' : '';
    return `<polyline fill="none" stroke="${colourOf(at)}" stroke-width="2"${dash} points="${path.join(' ')}"/>`;
  });
  const legend = series.map(({ name, dashed }, at) => {
    const left = edge.left + (at % 3) * 190;
    const line = height - 26 + Math.floor(at / 3) * 16;
    const dash = dashed === true ? ' stroke-dasharray="5 4"' : '';
    return `<line x1="${left}" x2="${left + 24}" y1="${line - 4}" y2="${line - 4}" stroke="${colourOf(at)}" stroke-width="2"${dash}/>${text(left + 30, line, name, 'start')}`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" role="img" aria-label="${escape(title)}">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    text(width / 2, 20, title, 'middle'),
    ...gridX(right, toX, x),
    ...gridY(top, toY, y),
    ...lines,
    ...legend,
    '</svg>',
    '',
  ].join('\n');
}

function gridX(right: number, toX: (value: number) => number, label: string): string[] {
  const bottom = height - edge.bottom;
  return [
    ...marks(right).map((value) => text(toX(value), bottom + 16, sayTick(value), 'middle')),
    text((edge.left + width - edge.right) / 2, bottom + 34, label, 'middle'),
  ];
}

function gridY(top: number, toY: (value: number) => number, label: string): string[] {
  const middle = (edge.top + height - edge.bottom) / 2;
  return [
    ...marks(top).flatMap((value) => [
      `<line x1="${edge.left}" x2="${width - edge.right}" y1="${round(toY(value))}" y2="${round(toY(value))}" stroke="#ddd"/>`,
      text(edge.left - 6, toY(value) + 4, sayTick(value), 'end'),
    ]),
    `<g transform="rotate(-90 16 ${middle})">${text(16, middle, label, 'middle')}</g>`,
  ];
}

function marks(end: number): readonly number[] {
  return Array.from({ length: ticks + 1 }, (_, at) => (end * at) / ticks);
}

function sayTick(value: number): string {
  return String(Number(value.toPrecision(2)));
}

function text(x: number, y: number, said: string, anchor: 'start' | 'middle' | 'end'): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" fill="#222">${escape(said)}</text>`;
}

function escape(said: string): string {
  return said.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

function largest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), 0) || 1;
}

function colourOf(at: number): string {
  return colours[at % colours.length] ?? '#222';
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

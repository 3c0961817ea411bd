/** Prometheus' text format, taken apart. */

/** One family of metrics as a scrape shows it. */
export interface ScrapedFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  /** Label names of its samples, without a histogram's `le`. */
  readonly labels: readonly string[];
  /** Every series with its labels, without its value. */
  readonly series: readonly string[];
}

/** The families of a scrape, in its order. */
export async function scrape(adminUrl: string): Promise<ScrapedFamily[]> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  return text
    .split(/^# HELP /m)
    .slice(1)
    .map((part) => {
      const lines = part.trim().split('\n');
      const [, name = '', help = ''] = /^(\S+) (.*)$/.exec(lines[0] as string) ?? [];
      const type = /^# TYPE \S+ (\w+)$/.exec(lines[1] as string)?.[1] ?? '';
      const series = lines.slice(2).map((line) => line.replace(/ \S+$/, ''));
      const labels = series.flatMap((one) => [...one.matchAll(/[{,](\w+)="/g)].map((found) => found[1] as string));
      return { name, type, help, labels: [...new Set(labels)].filter((label) => label !== 'le'), series };
    });
}

/** The value of one series, NaN where there is none. */
export async function metricValue(adminUrl: string, series: string): Promise<number> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? Number.NaN : Number(line.slice(series.length + 1));
}

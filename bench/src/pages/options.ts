import { parseArgs } from 'node:util';

export interface PagesOptions {
  pages: number;
  rounds: number;
  /** Seconds between rounds. */
  every: number;
  /** Replicas of storage and of the collector, by name. */
  replicas: Record<string, number>;
  /** Whether the chart of a year is all there is, or left out. */
  year: 'also' | 'only' | 'no';
  env: Record<string, string>;
  json: string | undefined;
}

export const HELP = `npm run bench:pages -- [options]

Measures the fans of many pages again and again with the whole platform, against a double of the provider on
loopback, in compressed time: an interval of 10 minutes is run through in one. Then charts a year of one page from
roll-ups, beside reading the same points by find. Prints figures and ratios; asserts no time.

  --pages N          pages (100000)
  --rounds N         rounds (10)
  --every N          seconds between rounds; the calls are spread over nine tenths of it (60)
  --storage N        replicas of storage (1)
  --collectors N     replicas of the collector (1)
  --env NAME=VALUE   any other variable for the platform's processes, repeatable
  --no-year          leaves the chart of a year out
  --year-only        that chart alone
  --json FILE        all figures as JSON
  --help
`;

/** The options, or undefined when only help is wanted. Throws with a line for the user. */
export function readOptions(args: string[]): PagesOptions | undefined {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const { values } = parseArgs({
    args,
    options: {
      pages: text,
      rounds: text,
      every: text,
      storage: text,
      collectors: text,
      env: { type: 'string', multiple: true },
      'no-year': flag,
      'year-only': flag,
      json: text,
      help: flag,
    },
  });
  if (values.help) return undefined;
  const count = (
    name: 'pages' | 'rounds' | 'every' | 'storage' | 'collectors',
    otherwise: number,
  ): number => {
    const number = Number(values[name] ?? otherwise);
    if (!Number.isInteger(number) || number < 1) throw new Error(`--${name} wants a number, 1 or more`);
    return number;
  };
  return {
    pages: count('pages', 100_000),
    rounds: count('rounds', 10),
    every: count('every', 60),
    replicas: { storage: count('storage', 1), 'facebook-pages': count('collectors', 1) },
    year: values['year-only'] ? 'only' : values['no-year'] ? 'no' : 'also',
    env: Object.fromEntries((values.env ?? []).map(pair)),
    json: values.json,
  };
}

function pair(one: string): [string, string] {
  const at = one.indexOf('=');
  if (at < 1) throw new Error(`${one}: NAME=VALUE is wanted`);
  return [one.slice(0, at), one.slice(at + 1)];
}

import { parseArgs } from 'node:util';

export interface BenchOptions {
  pages: number;
  images: number;
  /** `<img>` elements over all pages; the images beyond the first of each are on a second page. */
  references: number;
  /** Size of an image. */
  bytes: number;
  rounds: number;
  /** Replicas of storage and of each collector, by name. */
  replicas: Record<string, number>;
  /** Downloads that the sketch has under way at once. */
  sketchConcurrency: number;
  /** Images of the long run; 0 leaves it out. */
  flat: number;
  flatBytes: number;
  /** Whether the long run is all there is. */
  flatOnly: boolean;
  /** Further variables of the platform's processes. */
  env: Record<string, string>;
  json: string | undefined;
}

export const HELP = `npm run bench -- [options]

Collects a site of static pages and images on loopback with the whole platform, beside a floor: one process that
does the same with undici and htmlparser2, without a broker or a database. Prints ratios; asserts no time.

  --pages N              pages of the site (500)
  --images N             unique images (5000)
  --references N         <img> elements over all pages (6000)
  --bytes N              size of an image (20480)
  --rounds N             rounds of floor, platform (3)
  --replicas NAME=N      replicas of a collector, repeatable (each 1)
  --storage N            replicas of storage (1)
  --sketch-concurrency N downloads at once in the floor (64)
  --host-concurrency N   MAGPIE_HOST_CONCURRENCY (256)
  --window N             MAGPIE_JOB_WINDOW (512)
  --concurrency N        MAGPIE_CONCURRENCY (the platform's default)
  --prefetch N           MAGPIE_PREFETCH (the platform's default)
  --env NAME=VALUE       any other variable for the platform's processes, repeatable
  --flat N               afterwards one run of N images, with the memory of each process as it goes on
  --flat-bytes N         size of an image in that run (2048)
  --flat-only            that run alone
  --json FILE            all figures as JSON
  --help
`;

/** The options, or undefined when only help is wanted. Throws with a line for the user. */
export function readOptions(args: string[]): BenchOptions | undefined {
  const text = { type: 'string' } as const;
  const many = { type: 'string', multiple: true } as const;
  const { values } = parseArgs({
    args,
    options: {
      pages: text,
      images: text,
      references: text,
      bytes: text,
      rounds: text,
      replicas: many,
      storage: text,
      'sketch-concurrency': text,
      'host-concurrency': text,
      window: text,
      concurrency: text,
      prefetch: text,
      env: many,
      flat: text,
      'flat-bytes': text,
      'flat-only': { type: 'boolean' },
      json: text,
      help: { type: 'boolean' },
    },
  });
  if (values.help) return undefined;
  const count = (name: keyof typeof values, otherwise: number, least = 1): number => {
    const given = values[name];
    if (given === undefined) return otherwise;
    const number = Number(given);
    if (!Number.isInteger(number) || number < least)
      throw new Error(`--${name} wants a number, ${least} or more`);
    return number;
  };
  const variables: Record<string, string> = {
    MAGPIE_HOST_CONCURRENCY: String(count('host-concurrency', 256)),
    MAGPIE_JOB_WINDOW: String(count('window', 512)),
  };
  if (values.concurrency !== undefined) variables['MAGPIE_CONCURRENCY'] = String(count('concurrency', 64));
  if (values.prefetch !== undefined) variables['MAGPIE_PREFETCH'] = String(count('prefetch', 8));
  const images = count('images', 5000);
  const references = count('references', Math.max(images, Math.round(images * 1.2)));
  const pages = count('pages', 500);
  if (references < images) throw new Error('--references may not be less than --images');
  if (references > images * pages) throw new Error('--references: no image is twice on one page');
  return {
    pages,
    images,
    references,
    bytes: count('bytes', 20_480, 200),
    rounds: count('rounds', 3),
    replicas: {
      storage: count('storage', 1),
      ...Object.fromEntries(pairs(values.replicas).map(([name, n]) => [name, replicaCount(n)])),
    },
    sketchConcurrency: count('sketch-concurrency', 64),
    flat: count('flat', 0, 0),
    flatBytes: count('flat-bytes', 2048, 200),
    flatOnly: values['flat-only'] ?? false,
    env: { ...variables, ...Object.fromEntries(pairs(values.env)) },
    json: values.json,
  };
}

function replicaCount(text: string): number {
  if (!/^\d{1,2}$/.test(text)) throw new Error('--replicas wants NAME=NUMBER');
  return Number(text);
}

function pairs(given: readonly string[] = []): [string, string][] {
  return given.map((one) => {
    const at = one.indexOf('=');
    if (at < 1) throw new Error(`${one}: NAME=VALUE is wanted`);
    return [one.slice(0, at), one.slice(at + 1)];
  });
}

import { join } from 'node:path';
import { parseArgs } from 'node:util';

export interface StartOptions {
  /** Collect the bundled site at first. */
  site: boolean;
  /** Run the collectors of APIs against doubles of their providers. */
  demo: boolean;
  /** Pages to collect instead of the bundled site. */
  urls: string[];
  replicas: Record<string, number>;
  data: string;
  port: number;
  help: boolean;
}

export const HELP = `Usage: npm start [-- [options] [url …]]

Starts Magpie on this machine: finds or starts RabbitMQ, MongoDB and nginx, starts gateway, storage, transfer and the
collectors, and collects a first site: a small bundled one, or the pages given.

  --demo                  also Instagram, Facebook and YouTube, against doubles of them on this machine: no keys are
                          needed. It keeps what it collects apart, in demo/ below the data directory
  --no-demo               the platform alone, without a first job
  --replicas NAME=N       so many of a collector, of storage or of transfer (repeatable), e.g. web-images=3
  --port PORT             nginx's port, the only public one (MAGPIE_PORT; 8080)
  --data DIRECTORY        where everything is kept (MAGPIE_DATA; .magpie; with --demo .magpie/demo)
  --help                  this text

Environment: MONGODB_URL, AMQP_URL (servers that exist already), MAGPIE_PORT, MAGPIE_PUBLIC_URL, MAGPIE_DATA,
MAGPIE_ADMIN_KEY, MAGPIE_SECRET, MAGPIE_ALLOW_ADDRESSES, MAGPIE_CONTACT, LOG_LEVEL; the README has the whole table.
Ctrl-C ends it, and everything that it started.
`;

/** @throws Error with one line that says what is wrong */
export function parseStart(args: string[], env: NodeJS.ProcessEnv): StartOptions {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      demo: { type: 'boolean', default: false },
      'no-demo': { type: 'boolean', default: false },
      replicas: { type: 'string', multiple: true, default: [] },
      data: { type: 'string' },
      port: { type: 'string' },
    },
  });
  const replicas = Object.fromEntries(
    values.replicas.map((text) => {
      const found = /^([a-z][a-z0-9-]*)=(\d{1,3})$/.exec(text);
      if (!found) throw new Error(`--replicas ${text}: write it as NAME=N, for example web-images=3`);
      return [found[1] as string, Number(found[2])];
    }),
  );
  const port = Number(values.port ?? (env['MAGPIE_PORT'] || 8080));
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Error(`the port must be 1 to 65535`);
  for (const url of positionals)
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
      throw new Error(`${url} is not an http or https URL`);
  if (values.demo && values['no-demo']) throw new Error('--demo and --no-demo: one of them');
  const kept = env['MAGPIE_DATA'] || '.magpie';
  return {
    help: values.help,
    site: !values['no-demo'],
    demo: values.demo,
    urls: positionals,
    replicas,
    data: values.data ?? (values.demo ? join(kept, 'demo') : kept),
    port,
  };
}

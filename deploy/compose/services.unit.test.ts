import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');
const compose = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8');
const collectors = join(ROOT, 'apps/collectors');
const ids = readdirSync(collectors).filter((id) => existsSync(join(collectors, id, 'main.ts')));
/** Set in the images, the same for every service. */
const IN_IMAGES = ['MAGPIE_DATA', 'HEALTH_PORT', 'HEALTH_HOST'];

type Table = Record<string, { env?: string }>;
const load = async <T>(...path: string[]): Promise<T> => (await import(join(ROOT, ...path))) as T;
const namesOf = (table: Table): string[] => Object.entries(table).map(([name, { env }]) => env ?? name);

/** The indented lines under a key. */
const blockOf = (key: string): string =>
  new RegExp(`^( *)${key}:.*\\n((?:\\1 +.*\\n|\\n)*)`, 'm').exec(compose)?.[2] ?? '';

/** The variables that a block hands on, those of the blocks that it takes in among them. */
function variablesOf(block: string): Set<string> {
  const names = [...block.matchAll(/^ +([A-Z][A-Z_]+):/gm)].map((found) => found[1] as string);
  for (const [, name] of block.matchAll(/\*([a-z-]+)/g)) {
    const anchored = new RegExp(`^ *(\\S+): &${name}$`, 'm').exec(compose)?.[1];
    if (anchored) names.push(...variablesOf(blockOf(anchored)));
  }
  return new Set(names);
}

it.each([
  ['gateway', 'apps/gateway/src/config.ts', 'gatewayConfig'],
  ['storage', 'apps/storage/src/config.ts', 'storageConfig'],
  ['transfer', 'apps/transfer/src/config.ts', 'transferConfig'],
] as const)('compose hands on every variable that %s reads', async (service, file, table) => {
  const config = (await load<Record<string, Table>>(file))[table] ?? {};
  const handed = variablesOf(blockOf(service));
  expect(namesOf(config).filter((name) => !handed.has(name) && !IN_IMAGES.includes(name))).toEqual([]);
});

it.each(ids)('compose runs %s with the variables that it reads', async (id) => {
  const service = blockOf(`collector-${id}`);
  expect(service).toContain(`APP: apps/collectors/${id} }`);
  interface Source {
    settings: Table;
    description: { provider?: unknown };
  }
  const { default: source } = await load<{ default: Source }>('apps/collectors', id, 'source.ts');
  const { collectorConfig } = await load<{ collectorConfig: Table }>('libs/collector-kit/src/run/config.ts');
  // What seals keys goes to those alone that open them.
  const { MAGPIE_SECRET: _, ...common } = collectorConfig;
  const handed = variablesOf(service);
  const read = [...namesOf(common), ...namesOf(source.settings)];
  expect(read.filter((name) => !handed.has(name) && !IN_IMAGES.includes(name))).toEqual([]);
  expect(handed.has('MAGPIE_SECRET')).toBe(source.description.provider !== undefined);
});

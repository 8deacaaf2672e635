/** The search for secrets in all that the platform wrote, sent and answered. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MARK, type ApiWorld } from './api-world.ts';

interface Place {
  name: string;
  bytes: Buffer;
}

export const SORTS = ['files', 'logs', 'database', 'messages', 'answers'] as const;
type Sort = (typeof SORTS)[number];

/** What the mark of secrets may be written as, wherever in a text it stands. */
const FORMS = [MARK, MARK.toUpperCase(), Buffer.from(MARK).toString('hex'), ...[0, 1, 2].map(inBase64)].map(
  (form) => Buffer.from(form),
);

/** The digits that come from the mark alone, `offset` bytes after a whole group. It has none that base64url has not. */
function inBase64(offset: number): string {
  const whole = Buffer.from(`${'.'.repeat(offset)}${MARK}`);
  return whole.toString('base64').slice(Math.ceil((offset * 8) / 6), Math.floor((whole.length * 8) / 6));
}

/** Without what Node keeps of the code that it compiled. */
async function files(directory: string, pattern = /^/): Promise<Place[]> {
  const found: Place[] = [];
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && pattern.test(entry.name) && !path.includes('/compile-cache/'))
      found.push({ name: path, bytes: await readFile(path) });
  }
  return found;
}

/** Every document of every collection, as the database has it. */
async function dump({ store }: ApiWorld): Promise<Place[]> {
  const { db } = store.connection;
  const found: Place[] = [];
  for (const { name, type } of (await db?.listCollections().toArray()) ?? []) {
    if (type === 'view' || name === 'system.views') continue;
    const documents = await db!.collection(name).find({}, { raw: true }).toArray();
    found.push({ name: `collection ${name}`, bytes: Buffer.concat(documents as unknown as Buffer[]) });
  }
  return found;
}

const READERS: Record<Sort, (api: ApiWorld) => Promise<Place[]> | Place[]> = {
  files: ({ world }) => files(join(world.servers.data, 'platform')),
  logs: ({ world }) => files(world.servers.data, /\.log$/),
  database: dump,
  messages: ({ tap }) =>
    tap.messages.map(({ exchange, text }) => ({
      name: `message of ${exchange}`,
      bytes: Buffer.from(text, 'latin1'),
    })),
  answers: ({ world }) =>
    world.heard.map((text) => ({ name: `answer ${text.slice(0, 80)}`, bytes: Buffer.from(text) })),
};

/**
 * Looks for secrets in all places where they could be read.
 * @returns how many bytes were searched, by sort of place; and what was found where
 */
export async function searchForSecrets(
  api: ApiWorld,
  sorts: readonly Sort[] = SORTS,
): Promise<{ searched: Partial<Record<Sort, number>>; found: string[] }> {
  const found: string[] = [];
  const searched: Partial<Record<Sort, number>> = {};
  for (const sort of sorts) {
    const places = await READERS[sort](api);
    const all = Buffer.concat(places.map(({ bytes }) => bytes));
    searched[sort] = all.length;
    for (const form of FORMS)
      if (all.includes(form)) found.push(...places.flatMap((one) => shown(form, one)));
  }
  return { searched, found };
}

/** Where it is in a place, with what is around it. */
function shown(form: Buffer, { name, bytes }: Place): string[] {
  const at = bytes.indexOf(form);
  return at < 0 ? [] : [`${name}: …${bytes.toString('latin1', Math.max(0, at - 200), at + 80)}…`];
}

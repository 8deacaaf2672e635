/** The search for secrets in all that the platform wrote, sent and answered. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ApiWorld } from './api-world.ts';

interface Place {
  name: string;
  bytes: Buffer;
}

/** The forms in which a part of a secret may be written, wherever in a text it stands. */
function forms(part: string): Buffer[] {
  const inBase64 = [0, 1, 2].flatMap((offset) => {
    const whole = Buffer.from(`${'.'.repeat(offset)}${part}`);
    // Only the digits that come from the part alone.
    const from = Math.ceil((offset * 8) / 6);
    const to = Math.floor((whole.length * 8) / 6);
    return [whole.toString('base64').slice(from, to), whole.toString('base64url').slice(from, to)];
  });
  const inHex = Buffer.from(part).toString('hex');
  return [part, part.toUpperCase(), inHex, ...inBase64].map((form) => Buffer.from(form));
}

/** Each secret's letters and digits: what is between them is written in many ways. */
const partsOf = (secret: string): string[] => secret.match(/[\da-z]{18}/g) ?? [];

async function files(directory: string): Promise<Place[]> {
  const found: Place[] = [];
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) found.push({ name: path, bytes: await readFile(path) });
  }
  return found;
}

/** Every document of every collection, as the database has it. */
async function dump({ store }: ApiWorld): Promise<Place[]> {
  const { db } = store.connection;
  const found: Place[] = [];
  for (const { name, type } of (await db?.listCollections().toArray()) ?? []) {
    if (type === 'view' || name.startsWith('system.views')) continue;
    const documents = await db!.collection(name).find({}, { raw: true }).toArray();
    found.push({ name: `collection ${name}`, bytes: Buffer.concat(documents as unknown as Buffer[]) });
  }
  return found;
}

/**
 * All places where a secret could be read: logs, files, database, messages, answers.
 * @returns by sort of place, how many bytes were searched, and what was found where
 */
export async function searchForSecrets(
  api: ApiWorld,
): Promise<{ searched: Record<string, number>; found: string[] }> {
  const { world, tap, secrets } = api;
  const data = world.servers.data;
  const places: Record<string, Place[]> = {
    files: await files(join(data, 'platform')),
    logs: (await files(data)).filter(({ name }) => name.endsWith('.log')),
    database: await dump(api),
    messages: tap.messages.map(({ exchange, text }) => ({
      name: `message of ${exchange}`,
      bytes: Buffer.from(text, 'latin1'),
    })),
    answers: world.heard.map((text) => ({ name: `answer ${text.slice(0, 80)}`, bytes: Buffer.from(text) })),
  };
  const found: string[] = [];
  for (const [number, secret] of secrets.entries())
    for (const form of partsOf(secret).flatMap(forms))
      for (const { name, bytes } of Object.values(places).flat()) {
        const at = bytes.indexOf(form);
        if (at >= 0)
          found.push(
            `secret ${number} in ${name}: …${bytes.subarray(Math.max(0, at - 200), at + 80).toString('latin1')}…`,
          );
      }
  const searched = Object.fromEntries(
    Object.entries(places).map(([sort, all]) => [
      sort,
      all.reduce((sum, { bytes }) => sum + bytes.length, 0),
    ]),
  );
  return { searched, found };
}

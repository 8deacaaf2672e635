/**
 * Writes the generated documents. Each `docs/<name>.doc.ts` beside this file has a default export
 * `() => Promise<{ path, content }[]>` with paths relative to the root.
 * `--check` writes nothing and fails, naming each file, when one on disk differs from what would be written.
 */
import { globSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

export interface GeneratedDocument {
  /** Where it goes, relative to the repository's root. */
  path: string;
  content: string;
}

const root = resolve(import.meta.dirname, '../../..');
const check = process.argv.includes('--check');
const stale: string[] = [];
const written = new Map<string, string>();

for (const file of globSync('*.doc.ts', { cwd: resolve(import.meta.dirname, 'docs') }).sort()) {
  const generator = pathToFileURL(resolve(import.meta.dirname, 'docs', file)).href;
  const { default: generate } = (await import(generator)) as { default: () => Promise<GeneratedDocument[]> };
  for (const { path, content } of await generate()) {
    const other = written.get(path);
    if (other !== undefined) throw new Error(`${other} and ${file} both write ${path}`);
    written.set(path, file);
    const target = resolve(root, path);
    const before = await readFile(target, 'utf8').catch(() => undefined);
    if (before === content) continue;
    stale.push(path);
    if (check) continue;
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, content);
  }
}

for (const path of stale) console.log(check ? `stale: ${path}` : `wrote ${path}`);
if (check && stale.length > 0) {
  console.error('Generated documents are stale. Run: npm run docs');
  process.exitCode = 1;
} else if (stale.length === 0) {
  console.log(`${written.size} generated documents are fresh`);
}
// Generators import whole apps; what those keep open must not keep this process.
process.exit();

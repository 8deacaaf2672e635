import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatFiles, generateFiles, installPackagesTask, output, type Tree } from '@nx/devkit';

export interface CollectorOptions {
  /** The source's id. */
  id: string;
  /** What it collects, in one line. */
  summary?: string;
  /** Leaves node_modules and package-lock.json alone. */
  skipInstall?: boolean;
}

/**
 * `nx g @magpie/workspace:collector <id>` writes `apps/collectors/<id>/`: a source that collects the titles of pages,
 * its main, a test that runs the conformance suite, a fixture, a README. As written it passes lint, types and tests.
 * Nothing else in the repository names a source, but the compose file, for which it prints the service.
 * @throws when the id isn't a source id, or the folder exists
 */
export default async function collector(tree: Tree, options: CollectorOptions): Promise<() => void> {
  const { id, skipInstall = false } = options;
  const summary = (options.summary ?? 'The titles of the given pages').replace(/\.$/, '');
  if (!/^[a-z][a-z0-9-]{1,40}$/.test(id)) {
    throw new Error(`"${id}" is no source id: lower case letters, digits and hyphens, as in youtube-search`);
  }
  const folder = `apps/collectors/${id}`;
  if (tree.exists(folder)) throw new Error(`${folder} exists already`);
  const { version } = JSON.parse(tree.read('tools/workspace/package.json', 'utf8') ?? '{}') as {
    version?: string;
  };
  generateFiles(tree, join(import.meta.dirname, 'files'), folder, {
    id,
    summary,
    // Single quotes as the formatter wants them.
    quotedSummary: `'${summary.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`,
    version: version ?? '0.1.0',
    dot: '.',
  });
  await formatFiles(tree);
  return () => {
    if (!skipInstall) installPackagesTask(tree, true);
    output.log({
      title: `Add this service to docker-compose.yml:`,
      bodyLines: composeService(id).split('\n'),
    });
  };
}

/** The service of a collector in docker-compose.yml. */
export function composeService(id: string): string {
  return readFileSync(join(import.meta.dirname, 'compose-service.template'), 'utf8')
    .replaceAll('{id}', id)
    .trimEnd();
}

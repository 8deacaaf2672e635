/**
 * The rule `magpie/package-borders`. It reports, for imports of every form (static, re-export, dynamic, `require`,
 * `import()` types):
 * - a relative or absolute path that leaves the package;
 * - an outside package that has another owner (see boundaries.ts);
 * - a package that the importing package's package.json does not declare (tests and tools may use the root's and
 *   every package of the workspace).
 */
import { existsSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Rule } from 'eslint';
import { OWNERS } from './boundaries.ts';

interface Manifest {
  name?: string;
  nx?: { tags?: string[] };
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

interface Package {
  folder: string;
  manifest: Manifest;
}

export const packageBorders: Rule.RuleModule = {
  meta: {
    type: 'problem',
    docs: { description: 'Imports stay within the package, its declared dependencies and their owners' },
    messages: {
      leaves: '"{{imported}}" leaves the package {{package}}: import the other package by its name',
      owned: '"{{name}}" may be imported only in {{owners}}, not in {{package}}',
      undeclared: '"{{name}}" is not declared in the package.json of {{package}}',
    },
    schema: [{ type: 'object', properties: { tests: { type: 'boolean' } }, additionalProperties: false }],
  },
  create(context) {
    const own = packageOf(dirname(context.filename));
    const { tests = false } = (context.options[0] ?? {}) as { tests?: boolean };
    if (own === undefined) return {};
    const isRoot = own.folder === ROOT;
    const label = own.manifest.name ?? own.folder;

    function check(node: Rule.Node, imported: unknown) {
      if (typeof imported !== 'string' || isBuiltin(imported)) return;
      const path = imported.startsWith('file:') ? fileURLToPath(imported) : imported;
      if (path.startsWith('.') || isAbsolute(path)) {
        const target = packageOf(dirname(resolve(dirname(context.filename), path)));
        // A root-level script (deploy/start.mjs) may reach into the packages that it starts.
        if (!isRoot && target?.folder !== own?.folder) {
          context.report({ node, messageId: 'leaves', data: { imported, package: label } });
        }
        return;
      }
      const name = nameOf(imported);
      const rule = OWNERS.find(({ packages }) => packages.test(name));
      if (rule && !rule.owners.some((owner) => owns(owner, own as Package))) {
        const owners = rule.owners.join(', ');
        context.report({ node, messageId: 'owned', data: { name, owners, package: label } });
      } else if (!isDeclared(name, own as Package, tests)) {
        context.report({ node, messageId: 'undeclared', data: { name, package: label } });
      }
    }

    const ofSource = (node: unknown) => {
      const { source } = node as { source?: { value?: unknown } | null };
      check(node as Rule.Node, source?.value);
    };
    return {
      ImportDeclaration: ofSource,
      ExportNamedDeclaration: ofSource,
      ExportAllDeclaration: ofSource,
      ImportExpression: ofSource,
      TSImportType: (node: unknown) => {
        const { source, argument } = node as {
          source?: { value?: unknown };
          argument?: { literal?: { value?: unknown } };
        };
        check(node as Rule.Node, source?.value ?? argument?.literal?.value);
      },
      CallExpression(node) {
        const { callee } = node;
        const isRequire =
          (callee.type === 'Identifier' && callee.name === 'require') ||
          (callee.type === 'MemberExpression' &&
            callee.property.type === 'Identifier' &&
            callee.property.name === 'resolve' &&
            ((callee.object.type === 'Identifier' && callee.object.name === 'require') ||
              callee.object.type === 'MetaProperty'));
        const [first] = node.arguments;
        if (isRequire && first?.type === 'Literal') check(node, first.value);
      },
    };
  },
};

const ROOT = resolve(import.meta.dirname, '../../../..');
const known = new Map<string, Package | undefined>();

/** The package that a folder belongs to; the root's for a folder outside of every other. */
function packageOf(folder: string): Package | undefined {
  if (known.has(folder)) return known.get(folder);
  const path = join(folder, 'package.json');
  const found = existsSync(path)
    ? { folder, manifest: JSON.parse(readFileSync(path, 'utf8')) as Manifest }
    : relative(ROOT, folder).startsWith('..') || folder === dirname(folder)
      ? undefined
      : packageOf(dirname(folder));
  known.set(folder, found);
  return found;
}

function owns(owner: string, { folder, manifest }: Package): boolean {
  return manifest.nx?.tags?.includes(owner) === true || relative(ROOT, folder).split(sep).join('/') === owner;
}

function isDeclared(name: string, { folder, manifest }: Package, tests: boolean): boolean {
  const rooted = tests || folder === ROOT || manifest.nx?.tags?.includes('type:tool') === true;
  const manifests = [manifest, ...(rooted ? [packageOf(ROOT)?.manifest] : [])];
  return (
    name === manifest.name ||
    (rooted && name.startsWith('@magpie/')) ||
    manifests.some((each) =>
      [each?.dependencies, each?.devDependencies, each?.peerDependencies, each?.optionalDependencies].some(
        (list) => list !== undefined && (Object.hasOwn(list, name) || Object.hasOwn(list, typesOf(name))),
      ),
    )
  );
}

/** `@types/` package of a package: type-only imports may need no more. */
function typesOf(name: string): string {
  return `@types/${name.replace(/^@(.+)\/(.+)$/, '$1__$2')}`;
}

function nameOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

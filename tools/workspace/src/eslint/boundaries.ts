/**
 * Who may import whom. Projects carry one `type:` tag in their package.json; the constraints are enforced by
 * `@nx/enforce-module-boundaries`, the owners of outside packages by the `magpie/package-borders` rule.
 */

/** The projects' types, and the types that the code of each may import. */
const MAY_IMPORT = {
  contracts: [],
  domain: [],
  'service-kit': ['contracts', 'domain'],
  broker: ['contracts', 'domain', 'service-kit'],
  store: ['contracts', 'domain', 'service-kit'],
  'collector-kit': ['contracts', 'domain', 'broker', 'service-kit'],
  collector: ['contracts', 'collector-kit'],
  app: ['contracts', 'domain', 'broker', 'store', 'service-kit'],
  testing: ['contracts', 'domain', 'broker', 'store', 'service-kit', 'tool'],
  tool: ['*'],
} as const satisfies Record<string, readonly string[]>;

export interface DepConstraint {
  sourceTag: string;
  onlyDependOnLibsWithTags: string[];
}

/** The constraints of the Nx rule. Tests may import what their project may, and the servers and doubles for tests. */
export function depConstraints({ tests = false } = {}): DepConstraint[] {
  return Object.entries(MAY_IMPORT).map(([source, targets]) => ({
    sourceTag: `type:${source}`,
    onlyDependOnLibsWithTags: [...targets, ...(tests ? ['testing', 'tool'] : [])].map((type) =>
      type === '*' ? '*' : `type:${type}`,
    ),
  }));
}

/**
 * Outside packages that only their owner may import, by a pattern of the package's name. An owner is a project's tag
 * or its folder.
 */
export const OWNERS: readonly { packages: RegExp; owners: readonly string[] }[] = [
  { packages: /^amqplib$/, owners: ['type:broker'] },
  { packages: /^mongoose$/, owners: ['type:store'] },
  // The local servers are administered (replica set, shutdown) through the driver.
  { packages: /^mongodb$/, owners: ['type:store', 'deploy/local'] },
  { packages: /^(@fastify\/.+|fastify|fastify-.+)$/, owners: ['apps/gateway', 'type:testing'] },
  // The benchmark's floor is a sketch on bare undici.
  { packages: /^undici$/, owners: ['type:collector-kit', 'bench'] },
];

/** Files that only tests use: they may import what tests may. */
export const TEST_FILES = ['**/*.test.ts', '**/src/testing/**', 'libs/testing/**', 'e2e/**'];

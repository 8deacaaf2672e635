import type { TestServers } from './test-servers.ts';

/** Jest's global teardown: stops what the setup started and removes its data. */
export default async function teardown(): Promise<void> {
  const servers = (globalThis as Record<symbol, unknown>)[Symbol.for('magpie.test-servers')];
  await (servers as TestServers | undefined)?.stop();
}

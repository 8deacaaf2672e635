import type { RunServers } from './containers.ts';
import { RUN } from './jest-setup.ts';

/** Jest's global teardown: stops what the setup started and removes its data. */
export default async function teardown(): Promise<void> {
  const servers = (globalThis as Record<symbol, unknown>)[RUN] as RunServers | undefined;
  await servers?.stop();
}

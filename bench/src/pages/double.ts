import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

export interface Calls {
  /** HTTP requests. */
  requests: number;
  /** Reads of a page, alone or in a batch. */
  operations: number;
}

export interface DoubleProcess {
  url: string;
  pid: number;
  /** Since it was started. */
  calls(): Promise<Calls>;
  stop(): Promise<void>;
}

/** Starts the double of the provider with so many pages, all of them active. */
export async function startDouble(pages: number): Promise<DoubleProcess> {
  const child = fork(join(import.meta.dirname, 'double-process.ts'), [String(pages)], { stdio: 'inherit' });
  const answer = async (): Promise<Calls & { url: string }> => {
    const [message] = (await once(child, 'message')) as [Calls & { url: string }];
    return message;
  };
  const { url } = await answer();
  return {
    url,
    pid: child.pid as number,
    async calls() {
      const answered = answer();
      child.send('calls');
      const { requests, operations } = await answered;
      return { requests, operations };
    },
    async stop() {
      if (child.exitCode !== null || !child.connected) return;
      const ended = once(child, 'exit');
      child.disconnect();
      await ended;
    },
  };
}

import { setTimeout as sleep } from 'node:timers/promises';
import { Gate, type EndReason } from './gate.ts';
import { Room } from './room.ts';

const chunk = Buffer.from('a chunk');

/** A gate that is looked at often, with a source that gives chunks as they are pulled. */
function gateOf({ silenceMs = 60_000, pauseMs = 60_000, speaks = true } = {}) {
  let wanted = true;
  let pulled = 0;
  const gate = new Gate({
    room: new Room('/', 0, async () => Infinity),
    silenceMs,
    pauseMs,
    isWanted: () => wanted,
    onClosed: () => undefined,
  });
  const looks = setInterval(() => gate.look(), 10);
  async function* source(): AsyncGenerator<Buffer> {
    for (;;) {
      pulled++;
      if (!speaks) await new Promise(() => undefined);
      yield chunk;
      await sleep(5);
    }
  }
  let passed = 0;
  const reading = (async (): Promise<EndReason | undefined> => {
    try {
      for await (const bytes of gate.pass(source())) passed += bytes.length;
    } catch {
      // Told by `ended`.
    }
    clearInterval(looks);
    return gate.ended;
  })();
  return {
    gate,
    reading,
    want: (is: boolean) => (wanted = is),
    counts: () => ({ passed, pulled }),
  };
}

it('pulls nothing while nothing is wanted, and goes on with the same bytes', async () => {
  const { gate, reading, want, counts } = gateOf();
  await sleep(50);
  want(false);
  await sleep(20);
  const paused = counts();
  expect(paused.passed).toBeGreaterThan(0);
  await sleep(100);
  expect(counts()).toEqual(paused);
  want(true);
  await sleep(100);
  gate.end('closing');
  expect(await reading).toBe('closing');
  const { passed, pulled } = counts();
  expect(passed).toBeGreaterThan(paused.passed);
  // Each that was pulled has passed, but for the one under way.
  expect(pulled - passed / chunk.length).toBeLessThanOrEqual(1);
});

it('keeps nobody waiting for ever', async () => {
  const { reading, want } = gateOf({ pauseMs: 100 });
  want(false);
  expect(await reading).toBe('cut off');
});

it('does not take a pause for silence, nor many short ones for a long one', async () => {
  const { gate, reading, want } = gateOf({ silenceMs: 100, pauseMs: 600 });
  for (let i = 0; i < 5; i++) {
    want(false);
    await sleep(150);
    want(true);
    await sleep(40);
  }
  expect(gate.ended).toBeUndefined();
  gate.end('closing');
  await reading;
});

it('takes silence while bytes are wanted for the end', async () => {
  const { reading } = gateOf({ silenceMs: 100, speaks: false });
  expect(await reading).toBe('cut off');
});

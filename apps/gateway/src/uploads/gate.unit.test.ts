import { setTimeout as sleep } from 'node:timers/promises';
import { Gate, type EndReason } from './gate.ts';
import { Room } from './room.ts';

const chunk = Buffer.from('a chunk');

/** A gate that is looked at often, with a clock of its own and a source that gives chunks as they are pulled. */
function gateOf({ silenceMs = 60_000, pauseMs = 60_000, speaks = true } = {}) {
  let wanted = true;
  let pulled = 0;
  let clock = 0;
  const gate = new Gate({
    room: new Room('/', 0, async () => Infinity),
    silenceMs,
    pauseMs,
    now: () => clock,
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
    pass: (ms: number) => {
      clock += ms;
      gate.look();
    },
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
  const { gate, reading, want, pass } = gateOf({ pauseMs: 1000 });
  want(false);
  pass(0);
  pass(1000);
  expect(gate.ended).toBeUndefined();
  pass(1);
  expect(await reading).toBe('cut off');
});

it('does not take a pause for silence, nor many short ones for a long one', async () => {
  const { gate, reading, want, pass } = gateOf({ silenceMs: 1000, pauseMs: 6000, speaks: false });
  await sleep(20);
  for (let i = 0; i < 5; i++) {
    want(false);
    pass(0);
    pass(1500);
    want(true);
    pass(400);
  }
  expect(gate.ended).toBeUndefined();
  gate.end('closing');
  await reading;
});

it('takes silence while bytes are wanted for the end', async () => {
  const { gate, reading, pass } = gateOf({ silenceMs: 1000, speaks: false });
  await sleep(20);
  pass(1000);
  expect(gate.ended).toBeUndefined();
  pass(1);
  expect(await reading).toBe('cut off');
});

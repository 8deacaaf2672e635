import { HostGate } from './host-gate.ts';

const tick = (ms = 0): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const outcome = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'entered',
    (error: { code: string }) => error.code,
  );

describe('HostGate', () => {
  test('admits so many at once, in order, and leaving twice frees one place', async () => {
    const gate = new HostGate(2);
    const order: number[] = [];
    const leave: (() => void)[] = [];
    for (let i = 0; i < 5; i++) {
      void gate.enter('h:80', 0).then((left) => {
        order.push(i);
        leave.push(left);
      });
    }
    await tick();
    expect(order).toEqual([0, 1]);
    leave[0]?.();
    leave[0]?.();
    await tick();
    expect(order).toEqual([0, 1, 2]);
    leave[1]?.();
    leave[2]?.();
    await tick();
    expect(order).toEqual([0, 1, 2, 3, 4]);
  });

  test('hosts do not wait for each other', async () => {
    const gate = new HostGate(1);
    await gate.enter('a:80', 0);
    await gate.enter('b:80', 0);
    expect(gate.size).toBe(2);
  });

  test('one who gives up is passed over', async () => {
    const gate = new HostGate(1);
    const leave = await gate.enter('h:80', 0);
    const controller = new AbortController();
    const given = outcome(gate.enter('h:80', 0, controller.signal));
    const next = outcome(gate.enter('h:80', 0));
    controller.abort();
    expect(await given).toBe('aborted');
    leave();
    expect(await next).toBe('entered');
    expect(await outcome(gate.enter('h:80', 0, AbortSignal.abort()))).toBe('aborted');
  });

  test('starts are a delay apart, though there is room', async () => {
    const gate = new HostGate(5);
    const begun = Date.now();
    await gate.enter('h:80', 80);
    await gate.enter('h:80', 80);
    await gate.enter('h:80', 80);
    expect(Date.now() - begun).toBeGreaterThanOrEqual(155);
  });

  test('a wish for rest is not shortened by a later one', () => {
    const gate = new HostGate(1);
    const later = Date.now() + 60_000;
    gate.rest('h:80', later);
    gate.rest('h:80', later - 4000);
    expect(gate.restUntil('h:80')).toBe(later);
    expect(gate.restUntil('other:80')).toBe(0);
    gate.rest('past:80', Date.now() - 1);
    expect(gate.restUntil('past:80')).toBe(0);
  });

  test('closing refuses who waits and who comes', async () => {
    const gate = new HostGate(1);
    await gate.enter('h:80', 60_000);
    const waiting = outcome(gate.enter('h:80', 0));
    gate.close();
    expect(await waiting).toBe('aborted');
    expect(await outcome(gate.enter('h:80', 0))).toBe('aborted');
  });

  test('idle hosts are forgotten', async () => {
    const gate = new HostGate(1);
    for (let i = 0; i < 10_000; i++) (await gate.enter(`h${i}:80`, 0))();
    expect(gate.size).toBeLessThanOrEqual(1025);
  });
});

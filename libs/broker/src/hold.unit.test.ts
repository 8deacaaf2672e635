import { setTimeout as sleep } from 'node:timers/promises';
import { Hold } from './hold.ts';

const make = () => new Hold({ maxMs: 20, onTry: () => {} });

describe('Hold', () => {
  it('lets everybody pass while nothing has failed', async () => {
    const hold = make();
    await Promise.all([hold.enter(), hold.enter(), hold.enter()]);
    expect(hold.shut).toBe(false);
  });

  it('lets one try at a time while shut, and all pass when one got through', async () => {
    const hold = make();
    hold.failed();
    const passed: number[] = [];
    const all = Promise.all([1, 2, 3].map((n) => hold.enter().then(() => passed.push(n))));
    await sleep(60);
    expect(passed).toEqual([1]);
    hold.failed();
    await sleep(60);
    expect(passed).toEqual([1, 2]);
    hold.worked();
    await all;
    expect(passed).toEqual([1, 2, 3]);
    expect(hold.shut).toBe(false);
  });

  it('passes the try on when the one that had it gives up', async () => {
    const hold = make();
    hold.failed();
    const first = hold.enter();
    const second = hold.enter();
    await first;
    hold.gaveUp();
    await second;
    hold.gaveUp();
    await hold.enter();
    hold.close();
  });

  it('holds nobody once closed', async () => {
    const hold = make();
    hold.failed();
    const waiting = hold.enter();
    hold.close();
    await waiting;
    hold.failed();
    await hold.enter();
  });
});

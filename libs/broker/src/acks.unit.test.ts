import fc from 'fast-check';
import { AckWindow } from './acks.ts';

describe('AckWindow', () => {
  it('acks a run of finished deliveries with one ack, and what follows a gap each by itself', () => {
    const window = new AckWindow();
    for (const tag of [1, 2, 3, 4, 5, 6]) window.deliver(tag);
    for (const tag of [3, 1, 2, 5]) window.done(tag);
    expect(window.take()).toEqual([
      { tag: 3, multiple: true },
      { tag: 5, multiple: false },
    ]);
    expect(window.take()).toEqual([]);
    window.done(4);
    expect(window.take()).toEqual([{ tag: 4, multiple: false }]);
    expect(window.open).toBe(1);
  });

  it('covers each finished delivery exactly once and never an open one', () => {
    const step = fc.oneof(
      fc.constant({ do: 'deliver' as const }),
      fc.record({ do: fc.constant('done' as const), pick: fc.nat() }),
      fc.constant({ do: 'take' as const }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const window = new AckWindow();
        // the broker's view: what it still waits for
        const unacked = new Set<number>();
        const open = new Set<number>();
        let last = 0;
        const take = (): void => {
          for (const { tag, multiple } of window.take()) {
            const covered = multiple ? [...unacked].filter((t) => t <= tag) : [tag];
            for (const one of covered) {
              expect(open.has(one)).toBe(false);
              expect(unacked.delete(one)).toBe(true);
            }
          }
          expect([...unacked].sort()).toEqual([...open].sort());
        };
        for (const act of steps) {
          if (act.do === 'deliver') {
            last += 1;
            unacked.add(last);
            open.add(last);
            window.deliver(last);
          } else if (act.do === 'done' && open.size > 0) {
            const tag = [...open][act.pick % open.size] as number;
            open.delete(tag);
            window.done(tag);
            window.done(tag);
          } else if (act.do === 'take') take();
        }
        take();
      }),
    );
  });
});

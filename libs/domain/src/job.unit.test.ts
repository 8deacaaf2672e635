import fc from 'fast-check';
import {
  ACTIONS,
  allowedActions,
  canTransition,
  DISPATCHING,
  ENDED,
  isEnded,
  PASSING,
  TRANSITIONS,
  type Action,
  type State,
} from './job.ts';

const STATES = Object.keys(TRANSITIONS) as State[];
const state = fc.constantFrom(...STATES);

test('every action leads where a transition leads, and is offered exactly where it may be asked', () => {
  for (const [action, { from, to }] of Object.entries(ACTIONS) as [Action, (typeof ACTIONS)[Action]][])
    for (const at of STATES) {
      const may = (from as readonly State[]).includes(at);
      expect(allowedActions(at).includes(action)).toBe(may);
      if (may) expect(canTransition(at, to)).toBe(true);
    }
});

test('a live job can be paused, stopped and terminated, and any job but a terminated one gets somewhere', () => {
  for (const at of DISPATCHING) expect(allowedActions(at)).toEqual(['pause', 'stop', 'terminate']);
  for (const at of STATES) expect(TRANSITIONS[at].length > 0).toBe(at !== 'terminated');
});

test('a terminated job stays terminated; an ended one is left by retry alone', () => {
  expect(allowedActions('terminated')).toEqual([]);
  for (const at of ENDED) if (at !== 'terminated') expect(allowedActions(at)).toEqual(['retry']);
});

test('an import is terminated from any state, ended ones too; a dry run of one brought nothing', () => {
  const of = (options: Record<string, unknown>) => ({ kind: 'import', options, expiresAt: null });
  for (const at of STATES) {
    const allowed = allowedActions(at, of({}));
    expect(allowed.includes('terminate')).toBe(!['terminating', 'terminated'].includes(at));
    if (allowed.includes('terminate')) expect(canTransition(at, 'terminating')).toBe(true);
    expect(allowed.filter((action) => action !== 'terminate' || !isEnded(at))).toEqual(allowedActions(at));
    expect(allowedActions(at, of({ dryRun: true }))).toEqual(allowedActions(at));
  }
});

test('an upload that has ended is over; by tus and stopped it goes on while its bytes are kept', () => {
  const of = (protocol: string | undefined, expiresAt: Date | null) => ({
    kind: 'upload',
    options: { protocol },
    expiresAt,
  });
  for (const at of STATES) {
    const live = allowedActions(at).filter((action) => action !== 'retry');
    for (const protocol of ['raw', undefined])
      expect(allowedActions(at, of(protocol, new Date()))).toEqual(live);
    expect(allowedActions(at, of('tus', null))).toEqual(live);
    expect(allowedActions(at, of('tus', new Date()))).toEqual(at === 'stopped' ? ['retry'] : live);
  }
});

test('whatever is asked of a job, it can still end, and passing states are passed', () => {
  fc.assert(
    fc.property(state, fc.array(fc.nat({ max: 20 }), { maxLength: 30 }), (first, choices) => {
      let at: State = first;
      for (const choice of choices) {
        const next = TRANSITIONS[at] as readonly State[];
        if (next.length > 0) at = next[choice % next.length] as State;
      }
      const seen = new Set<State>([at]);
      for (const one of seen) for (const next of TRANSITIONS[one] as readonly State[]) seen.add(next);
      expect([...seen].some(isEnded)).toBe(true);
      if ((PASSING as readonly State[]).includes(at)) expect(TRANSITIONS[at].length).toBeGreaterThan(0);
    }),
  );
});

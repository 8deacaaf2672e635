import fc from 'fast-check';
import { CredentialRefused, Permanent, Retryable, Throttled } from '@magpie/collector-kit';
import { nodeOf, readAnswer, type Asked, type PageAnswer } from './page-answer.ts';
import { resultOf } from './read-pages.ts';

const asked: Asked = { target: 'magpie', byId: false, at: 1_000, usedUp: false };
const page = { id: '100', name: 'Magpie', username: 'Magpie', fan_count: 10, followers_count: 12 };
const good = (body: unknown): unknown => ({ code: 200, body: JSON.stringify(body) });
const bad = (error: Record<string, unknown>, code = 400): unknown => ({
  code,
  body: JSON.stringify({ error: { message: 'It says', type: 'OAuthException', ...error } }),
});
const faultOf = (answer: PageAnswer): unknown => (answer.is === 'failed' ? answer.fault : answer);

test('a page is measured, and named', () => {
  expect(readAnswer(good(page), asked)).toEqual({
    is: 'measured',
    sample: { target: 'magpie', at: 1_000, values: { fan_count: 10, followers_count: 12 } },
    report: { target: 'magpie', state: 'active', providerId: '100', name: 'Magpie' },
  });
});

test('one of the counts is enough', () => {
  const { followers_count: _, ...classic } = page;
  expect(readAnswer(good(classic), asked)).toMatchObject({ sample: { values: { fan_count: 10 } } });
});

test.each([
  ['text', { ...page, fan_count: '10' }],
  ['negative', { ...page, followers_count: -1 }],
  ['null', { ...page, fan_count: null }],
  ['a fraction', { ...page, fan_count: 1.5 }],
  ['too large to be exact', { ...page, fan_count: 2 ** 60 }],
  ['not there', { id: '100' }],
  ['without an id', { fan_count: 1 }],
  ['of something else', 'page'],
  ['null altogether', null],
])('a count that is %s is no measurement and no state', (_what, body) => {
  expect(faultOf(readAnswer(good(body), asked))).toBeInstanceOf(Retryable);
});

test.each([
  [{ code: 200, body: '{"id":"1","fan_' }],
  [{ code: 200 }],
  [{ body: '{}' }],
  [undefined],
  [7],
  [null],
  [{}],
])('the answer %j is to be asked for again', (operation) => {
  expect(faultOf(readAnswer(operation, asked))).toBeInstanceOf(Retryable);
});

test.each([
  ['unknown', { code: 803, message: '(#803) Some of the aliases you requested do not exist: x' }],
  [
    'unknown',
    { code: 100, message: '(#100) Tried accessing nonexisting field (fan_count) on node type (User)' },
  ],
  ['unpublished', { code: 100, error_subcode: 33 }],
  ['forbidden', { code: 10 }],
  ['forbidden', { code: 200 }],
])('a page is %s when the error is %j', (state, error) => {
  expect(readAnswer(bad(error), asked)).toMatchObject({
    is: 'elsewhere',
    report: { target: 'magpie', state, message: expect.stringContaining(String(error.code)) },
  });
});

test('a page that was merged says into which', () => {
  const message =
    '(#21) Page ID 100 was migrated to page ID 200.  Please update your API calls to the new ID';
  expect(readAnswer(bad({ code: 21, message }), asked)).toMatchObject({
    report: { state: 'merged', movedTo: '200' },
  });
});

test('a page that has another name says which: by its old name it is there still, by its id it is renamed', () => {
  const moved = good({ ...page, username: 'NewName' });
  expect(readAnswer(moved, asked)).toMatchObject({ report: { state: 'active', movedTo: 'NewName' } });
  expect(readAnswer(moved, { ...asked, byId: true })).toMatchObject({
    sample: { values: { fan_count: 10 } },
    report: { state: 'renamed', movedTo: 'NewName' },
  });
  for (const target of ['mag.pie', '100', 'magpie-birds-of-the-world-100000000000100']) {
    const same = { ...page, id: target.endsWith('00100') ? '100000000000100' : '100' };
    expect(readAnswer(good(same), { ...asked, target })).not.toHaveProperty('report.movedTo');
  }
});

test.each([
  [190, CredentialRefused],
  [2, Retryable],
  [3, Permanent],
])('error %d is a fault', (code, kind) => {
  expect(faultOf(readAnswer(bad({ code }), asked))).toBeInstanceOf(kind);
});

test('a limit is the page’s own unless the calls are used up', () => {
  for (const code of [4, 17, 32, 613, 80001]) {
    expect(faultOf(readAnswer(bad({ code }), asked))).toBeInstanceOf(Retryable);
    expect(faultOf(readAnswer(bad({ code }), { ...asked, usedUp: true }))).toBeInstanceOf(Throttled);
  }
});

test.each([
  ['nasa', 'nasa'],
  ['19292868552', '19292868552'],
  ['some-name-100063781234567', '100063781234567'],
  ['a-1234', 'a-1234'],
  ['каса', encodeURIComponent('каса')],
])('%s is asked for as %s', (target, node) => expect(nodeOf(target)).toBe(node));

describe('the result of a step', () => {
  const answers = fc.array(
    fc.constantFrom(
      good(page),
      good({ ...page, fan_count: 'x' }),
      bad({ code: 803 }),
      bad({ code: 10 }),
      bad({ code: 2 }),
      bad({ code: 190 }),
      null,
    ),
    { minLength: 1, maxLength: 50 },
  );

  test('has each page once: measured, as a state, or asked again by a smaller step', () => {
    fc.assert(
      fc.property(answers, (all) => {
        const targets = all.map((_, i) => `page${i}`);
        const read = all.map((one, i) => readAnswer(one, { ...asked, target: targets[i] as string }));
        const input = { targets, run: { number: 3, at: 5 } };
        let result;
        try {
          result = resultOf(input, read);
        } catch (error) {
          const failed = read.filter(({ is }) => is === 'failed').length;
          const forbidden = read.filter((one) => one.is === 'elsewhere' && one.report.state === 'forbidden');
          if (failed === all.length) expect(error).not.toBeInstanceOf(Permanent);
          else expect(forbidden).toHaveLength(all.length);
          return;
        }
        const [next] = result.next ?? [];
        const again = (next?.input['targets'] ?? []) as string[];
        expect(again.length).toBeLessThan(targets.length);
        const said = (result.targets ?? []).map(({ target }) => target);
        expect([...said, ...again].sort()).toEqual([...targets].sort());
        for (const { target } of result.samples ?? []) expect(said).toContain(target);
        if (next)
          expect(next).toMatchObject({ key: expect.stringMatching(/^3:/), input: { run: input.run } });
      }),
    );
  });

  test('of many pages that may none be read is that the permission is missing', () => {
    const read = Array.from({ length: 50 }, () => readAnswer(bad({ code: 10 }), asked));
    const input = { targets: read.map(() => 'magpie') };
    expect(() => resultOf(input, read)).toThrow(Permanent);
    expect(resultOf({ targets: ['magpie'] }, read.slice(0, 1)).targets).toHaveLength(1);
  });

  test('where all failed is the token’s fault first, then the limit’s', () => {
    const faults = [2, 4, 190].map((code) => readAnswer(bad({ code }), { ...asked, usedUp: true }));
    expect(() => resultOf({ targets: ['a', 'b', 'c'] }, faults)).toThrow(CredentialRefused);
    expect(() => resultOf({ targets: ['a', 'b'] }, faults.slice(0, 2))).toThrow(Throttled);
  });
});

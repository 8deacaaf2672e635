import { Value } from 'typebox/value';
import source from './source.ts';
import { tagOf } from './params.ts';

const fault = (params: Record<string, unknown>): string | undefined => source.faultOfParams(params);

test.each([
  'sunset',
  '#sunset',
  '＃夕日',
  'закат',
  'कुत्ता',
  'سيارات',
  '2026',
  'a_b',
  'x'.repeat(100),
  `#${'я'.repeat(100)}`,
])('%s is a hashtag', (tag) => expect(fault({ tag })).toBeUndefined());

test.each([
  '',
  '#',
  '##sunset',
  'two words',
  'dash-ed',
  'sun🌅set',
  'a#b',
  'x'.repeat(101),
  'a\n',
  '../me',
  'a?b=c',
])('%j is none', (tag) => expect(fault({ tag })).toContain('/tag'));

test.each([
  ['#Sunset', 'sunset'],
  ['ЗАКАТ', 'закат'],
  ['CAFE\u0301', 'café'],
  ['ΟΔΟΣ', 'οδος'],
  ['＃夕日', '夕日'],
])('%s is asked for as %s', (given, asked) => expect(tagOf({ tag: given })).toBe(asked));

test.each([
  ['minIntervalMinutes', 0],
  ['minIntervalMinutes', 1441],
  ['minIntervalMinutes', 1.5],
  ['patience', 0],
  ['media', 'yes'],
  ['start', 20260501],
  ['unknown', 1],
])('%s may not be %s', (name, value) => expect(fault({ tag: 'a', [name]: value })).toBeDefined());

test('what it announces says what cannot be reached, and what it costs', () => {
  const { provider, limits, schedule, period, retries } = source.description;
  expect(limits?.join()).toMatch(/24 hours.*choice.*Completeness/);
  expect(provider).toMatchObject({
    id: 'instagram',
    callsPerHour: 5000,
    distinct: { limit: 30, days: 7, what: 'hashtags' },
    steps: { hashtag: { ig_hashtag_search: 1 }, media: { media: 1 } },
  });
  expect(schedule).toMatchObject({ everyParam: 'minIntervalMinutes', untilParam: 'end' });
  expect(period).toEqual({ from: 'start', to: 'end', timeZone: 'timeZone' });
  expect(retries).toEqual({ times: 3, delayMs: 60_000 });
});

test('the pattern of a hashtag is one that JSON Schema understands', () => {
  const { pattern } = source.params.properties['tag'] as unknown as { pattern: string };
  expect(() => new RegExp(pattern, 'u')).not.toThrow();
  expect(Value.Check(source.params, { tag: '#sunset', start: '2026-05-01', end: '2026-05-31' })).toBe(true);
});

import fc from 'fast-check';
import {
  instantOf,
  InvalidMoment,
  InvalidSchedule,
  isTimeZone,
  periodFaults,
  planSchedule,
  resolveSchedule,
} from './index.ts';

const iso = (ms: number): string => new Date(ms).toISOString();
const NOW = Date.parse('2026-05-10T12:00:00Z');

describe('a day or an instant', () => {
  it('is the beginning of the day, or its last millisecond, in the zone', () => {
    expect(iso(instantOf('2026-05-01'))).toBe('2026-05-01T00:00:00.000Z');
    expect(iso(instantOf('2026-05-01', 'UTC', 'to'))).toBe('2026-05-01T23:59:59.999Z');
    expect(iso(instantOf('2026-05-01', 'Europe/Berlin'))).toBe('2026-04-30T22:00:00.000Z');
    // 25 hours, 23 hours, and a day that begins at 01:00.
    const hours = (day: string, zone: string) =>
      (instantOf(day, zone, 'to') + 1 - instantOf(day, zone, 'from')) / 3_600_000;
    expect(hours('2026-10-25', 'Europe/Berlin')).toBe(25);
    expect(hours('2026-03-29', 'Europe/Berlin')).toBe(23);
    expect(iso(instantOf('2018-11-04', 'America/Sao_Paulo'))).toBe('2018-11-04T03:00:00.000Z');
    expect(hours('2018-11-04', 'America/Sao_Paulo')).toBe(23);
  });

  it('is one that the zone had: Samoa went from 29 to 31 December', () => {
    const of = (day: string, edge: 'from' | 'to') => iso(instantOf(day, 'Pacific/Apia', edge));
    expect(of('2011-12-29', 'to')).toBe('2011-12-30T09:59:59.999Z');
    expect(of('2011-12-31', 'from')).toBe('2011-12-30T10:00:00.000Z');
    for (const edge of ['from', 'to'] as const)
      expect(() => of('2011-12-30', edge)).toThrow('is a day that Pacific/Apia never had');
  });

  it('is the instant that it names, whatever the zone', () => {
    for (const zone of ['UTC', 'Asia/Tokyo']) {
      expect(iso(instantOf('2026-05-01T12:30:00Z', zone))).toBe('2026-05-01T12:30:00.000Z');
      expect(iso(instantOf('2026-05-01T12:30:00.5+02:00', zone, 'to'))).toBe('2026-05-01T10:30:00.500Z');
    }
  });

  it.each([
    '2026-02-30',
    '2025-02-29',
    '2026-13-01',
    '2026-00-10',
    '2026-05-01T25:00:00Z',
    '01.05.2026',
    '2026-5-1',
    'today',
    '',
    '1777593600',
    '2026-05-01T12:00:00+99:00',
    '+002026-05-01',
  ])('refuses %j', (text) => expect(() => instantOf(text)).toThrow(InvalidMoment));

  it('wants the time zone named', () => {
    expect(() => instantOf('2026-05-01T12:00:00')).toThrow(/name the time zone/);
    expect(() => instantOf('2026-05-01', 'Mars/Olympus')).toThrow(/unknown time zone/);
  });

  it('days follow each other without a gap or an overlap, in every zone', () => {
    const day = fc.date({ min: new Date('1990-01-01'), max: new Date('2040-01-01'), noInvalidDate: true });
    const zone = fc.constantFrom(
      'UTC',
      'Europe/Berlin',
      'America/Sao_Paulo',
      'Asia/Kolkata',
      'Australia/Lord_Howe',
      'Asia/Beirut',
    );
    fc.assert(
      fc.property(day, zone, (date, timeZone) => {
        const [today, tomorrow] = [date, new Date(date.getTime() + 86_400_000)].map((one) =>
          one.toISOString().slice(0, 10),
        ) as [string, string];
        expect(instantOf(today, timeZone, 'to') + 1).toBe(instantOf(tomorrow, timeZone, 'from'));
        expect(instantOf(today, timeZone, 'from')).toBeLessThan(instantOf(today, timeZone, 'to'));
      }),
    );
  });

  it('knows time zones by name', () => {
    for (const name of ['UTC', 'Europe/Berlin', 'America/Argentina/Ushuaia'])
      expect(isTimeZone(name)).toBe(true);
    for (const name of ['', '+02:00', 'Mars', 'Europe/', '2026']) expect(isTimeZone(name)).toBe(false);
  });
});

describe('a period', () => {
  const period = { from: 'start', to: 'end', timeZone: 'zone' };
  const faults = (params: Record<string, unknown>) => periodFaults(period, params).map(({ field }) => field);

  it('may not end before it begins; one day is a period', () => {
    expect(faults({ start: '2026-05-01', end: '2026-05-01' })).toEqual([]);
    expect(faults({ start: '2026-05-02', end: '2026-05-01' })).toEqual(['end']);
    expect(faults({ start: '2026-05-01', end: '2026-04-30T23:59:59Z' })).toEqual(['end']);
    // In Berlin the day has begun by then.
    expect(faults({ start: '2026-05-01', end: '2026-04-30T23:59:59Z', zone: 'Europe/Berlin' })).toEqual([]);
    expect(faults({ start: '2026-05-01' })).toEqual([]);
    expect(faults({})).toEqual([]);
    expect(periodFaults(undefined, { start: 'x' })).toEqual([]);
  });

  it('names each field that is wrong', () => {
    expect(faults({ start: 'x', end: '2026-02-30' })).toEqual(['start', 'end']);
    expect(faults({ start: 'x', zone: 'Mars' })).toEqual(['zone']);
  });
});

describe('the schedule of a job', () => {
  const source = {
    schedule: { every: 'PT10M', everyParam: 'every', untilParam: 'end' },
    period: { from: 'start', to: 'end' },
  };
  const end = '2026-06-01';

  it('is that of the source until the end that a parameter names, if that is to come', () => {
    expect(resolveSchedule(source, { end }, undefined, NOW)).toMatchObject({
      every: 'PT10M',
      until: new Date('2026-06-01T23:59:59.999Z'),
      anchor: new Date(NOW),
      jitterMs: 0,
    });
    expect(resolveSchedule(source, { end: '2026-05-10' }, undefined, NOW)).not.toBeNull();
    expect(resolveSchedule(source, { end: '2026-05-09' }, undefined, NOW)).toBeNull();
    expect(resolveSchedule(source, {}, undefined, NOW)).toBeNull();
    expect(resolveSchedule({}, { end }, undefined, NOW)).toBeNull();
  });

  it('takes the interval from a parameter: a duration, or minutes', () => {
    expect(resolveSchedule(source, { end, every: 90 }, undefined, NOW)?.every).toBe('PT1H30M');
    expect(resolveSchedule(source, { end, every: '45s' }, undefined, NOW)?.every).toBe('PT45S');
    for (const every of [0, -5, 1e9, 'soon'])
      expect(() => resolveSchedule(source, { end, every }, undefined, NOW)).toThrow(InvalidSchedule);
  });

  it('is its own, if it has one; with an end of its own, or that of the parameters', () => {
    const own = { cron: '0 9 * * *', timeZone: 'Europe/Berlin' };
    expect(resolveSchedule(source, { end, every: 90 }, own, NOW)).toMatchObject({
      every: null,
      cron: '0 9 * * *',
      timeZone: 'Europe/Berlin',
      until: new Date('2026-06-01T23:59:59.999Z'),
    });
    const until = '2026-05-20T00:00:00Z';
    expect(resolveSchedule(source, { end }, { ...own, until }, NOW)?.until).toEqual(new Date(until));
    expect(resolveSchedule({}, {}, { every: '1h' }, NOW)).toMatchObject({ every: 'PT1H', until: null });
  });

  it.each([
    [{}, ['schedule']],
    [{ every: '1m', cron: '* * * * *' }, ['schedule']],
    [{ every: '1m', timeZone: 'Mars', jitter: 'x' }, ['schedule.timeZone', 'schedule.jitter']],
    [{ cron: '0 0 30 2 *' }, ['schedule.cron']],
    [{ cron: '0 0 1 1 *', until: '2026-12-31' }, ['schedule.until']],
    [{ every: '1h', until: '2026-05-10T12:00:00Z' }, ['schedule.until']],
  ])('is refused with its faults named: %j', (asked, fields) => {
    let thrown: unknown;
    try {
      planSchedule(asked, NOW);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(InvalidSchedule);
    expect((thrown as InvalidSchedule).faults.map(({ field }) => field)).toEqual(fields);
  });
});

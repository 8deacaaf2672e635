import { createLogger, type LoggerOptions } from './logger.ts';

const CANARY = 'c4n4ry-s3cret';

function capture(options: Partial<LoggerOptions> = {}) {
  const lines: string[] = [];
  const log = createLogger({
    name: 'test',
    level: 'trace',
    stream: { write: (line: string) => void lines.push(line) },
    ...options,
  });
  return { log, lines, text: () => lines.join('') };
}

describe('createLogger', () => {
  it('writes one JSON line an event, with the level by name and the bindings of the child', () => {
    const { log, lines } = capture();
    log.child({ jobId: 'j1', stepId: 's1', correlationId: 'c1' }).warn({ count: 2 }, 'step\nfailed');
    expect(lines).toHaveLength(1);
    expect(lines[0]?.indexOf('\n')).toBe((lines[0]?.length ?? 0) - 1);
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      name: 'test',
      pid: process.pid,
      jobId: 'j1',
      stepId: 's1',
      correlationId: 'c1',
      count: 2,
      msg: 'step\nfailed',
    });
  });

  it('leaves out what is below the level', () => {
    const { log, lines } = capture({ level: 'warn' });
    log.info('no');
    expect(lines).toEqual([]);
  });

  const failure = () =>
    Object.assign(
      new Error(`GET https://u:${CANARY}@h/?api_key=${CANARY} failed`, {
        cause: new Error(`?token=${CANARY}`),
      }),
      {
        request: { headers: { authorization: `Bearer ${CANARY}`, cookie: CANARY } },
      },
    );

  it.each<[string, (log: ReturnType<typeof capture>['log']) => void]>([
    ['an error alone', (log) => log.error(failure())],
    ['an error under err', (log) => log.error({ err: failure() }, 'failed')],
    ['an error under another name', (log) => log.error({ reason: failure() }, 'failed')],
    ['an aggregate of errors', (log) => log.error(new AggregateError([failure()], 'many'))],
    ['the message', (log) => log.info(`fetching https://u:${CANARY}@h/`)],
    [
      'an interpolated message',
      (log) => log.info('fetching %s with %j', `https://u:${CANARY}@h/`, { token: CANARY }),
    ],
    ['a nested value', (log) => log.info({ a: { b: { c: { d: { password: CANARY } } } } })],
    ['an array', (log) => log.info({ urls: [`https://h/?access_token=${CANARY}`] })],
    ['a binding of a child', (log) => log.child({ apiKey: CANARY, url: `https://u:${CANARY}@h/` }).info('x')],
    ['a URL object', (log) => log.info({ url: new URL(`https://u:${CANARY}@h/?sig=${CANARY}`) })],
    [
      'a child of a child',
      (log) =>
        log
          .child({ a: 1 })
          .child({ headers: { 'set-cookie': [CANARY] } })
          .info('x'),
    ],
  ])('writes no secret of %s', (_what, write) => {
    for (const pretty of [false, true]) {
      const { log, text } = capture({ pretty });
      write(log);
      expect(text()).not.toContain(CANARY);
      expect(text()).toContain('…');
    }
  });

  it('is pretty when told so, one line an event', () => {
    const { log, lines } = capture({ pretty: true });
    log.info({ jobId: 'j1' }, 'started');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/INFO.*started.*"jobId":"j1"/);
    expect(() => JSON.parse(lines[0] ?? '')).toThrow();
  });
});

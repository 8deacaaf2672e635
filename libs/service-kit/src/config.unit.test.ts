import fc from 'fast-check';
import { Type } from 'typebox';
import { ConfigError, configHelp, configMarkdown, defineConfig, loadConfig } from './config.ts';
import { Bytes, Duration, formatBytes, formatDuration, parseBytes, parseDuration } from './units.ts';

const table = defineConfig({
  AMQP_URL: {
    schema: Type.String({ pattern: '^amqps?://', title: 'an amqp:// or amqps:// URL' }),
    secret: true,
    describe: 'The broker',
  },
  port: {
    env: 'MAGPIE_PORT',
    schema: Type.Integer({ minimum: 1, maximum: 65_535 }),
    default: 8080,
    describe: 'The public port.',
  },
  verbose: { env: 'VERBOSE', schema: Type.Boolean(), default: false, describe: 'More of it' },
  lease: { env: 'LEASE', schema: Duration({ minimum: 1000 }), default: 90_000, describe: 'Time of a lease' },
  limit: { env: 'LIMIT', schema: Bytes(), default: 64 * 1024 ** 2, describe: 'Largest file' },
  hosts: { env: 'HOSTS', schema: Type.Array(Type.String()), default: [], describe: 'Allowed a|b' },
  ports: { env: 'PORTS', schema: Type.Array(Type.Integer()), optional: true, describe: 'Some ports' },
  level: { env: 'LEVEL', schema: Type.Enum(['debug', 'info']), default: 'info', describe: 'How much' },
  contact: { env: 'CONTACT', schema: Type.String(), optional: true, describe: 'Who' },
});

const env = { AMQP_URL: 'amqp://u:p@h/' };

function faults(values: Record<string, string>) {
  try {
    loadConfig(table, values);
  } catch (error) {
    if (error instanceof ConfigError) return error;
  }
  throw new Error('expected faults');
}

describe('loadConfig', () => {
  it('takes defaults for what is unset or empty', () => {
    expect(loadConfig(table, { ...env, MAGPIE_PORT: '', LEVEL: '  ' })).toEqual({
      AMQP_URL: 'amqp://u:p@h/',
      port: 8080,
      verbose: false,
      lease: 90_000,
      limit: 67_108_864,
      hosts: [],
      ports: undefined,
      level: 'info',
      contact: undefined,
    });
  });

  it('reads numbers, booleans, durations, sizes and lists from text, with their types', () => {
    const config = loadConfig(table, {
      ...env,
      MAGPIE_PORT: '80',
      VERBOSE: 'Yes',
      LEASE: '1.5m',
      LIMIT: '10MB',
      HOSTS: 'a, b,,c ',
      PORTS: '1,2',
      LEVEL: 'debug',
    });
    const port: number = config.port;
    const ports: number[] | undefined = config.ports;
    const contact: string | undefined = config.contact;
    expect([port, config.verbose, config.lease, config.limit]).toEqual([80, true, 90_000, 10_000_000]);
    expect([config.hosts, ports, config.level, contact]).toEqual([
      ['a', 'b', 'c'],
      [1, 2],
      'debug',
      undefined,
    ]);
  });

  it('is frozen, lists included, and its defaults are not shared', () => {
    const config = loadConfig(table, env);
    expect(() => Object.assign(config, { port: 1 })).toThrow(TypeError);
    expect(() => config.hosts.push('x')).toThrow('not extensible');
    expect(table.hosts.default).toEqual([]);
    expect(Object.isFrozen(table.hosts.default)).toBe(false);
  });

  it('reports all faults together, each by the name of its variable', () => {
    const error = faults({
      MAGPIE_PORT: '80a',
      VERBOSE: 'maybe',
      LEASE: '30',
      LIMIT: 'big',
      PORTS: '1,x',
      LEVEL: 'loud',
    });
    expect(error.faults).toEqual([
      { env: 'AMQP_URL', problem: 'is not set; it must be an amqp:// or amqps:// URL' },
      { env: 'MAGPIE_PORT', problem: 'must be a whole number, from 1 to 65535, not "80a"' },
      { env: 'VERBOSE', problem: 'must be true or false, not "maybe"' },
      {
        env: 'LEASE',
        problem: 'must be a duration such as 500ms, 30s, 5m or 12h, at least 1s, not "30"',
      },
      { env: 'LIMIT', problem: 'must be a size such as 512, 64KiB or 10MB, not "big"' },
      { env: 'PORTS', problem: 'must be a comma-separated list, each a whole number, not "1,x"' },
      { env: 'LEVEL', problem: 'must be one of debug, info, not "loud"' },
    ]);
    for (const fault of error.faults) expect(error.message).toContain(`${fault.env} ${fault.problem}`);
  });

  it('never shows the value of a secret, nor credentials in another value', () => {
    const error = faults({ AMQP_URL: 'http://u:c4n4ry@h/', LEVEL: 'http://u:c4n4ry@h/?token=c4n4ry' });
    expect(error.faults).toHaveLength(2);
    expect(JSON.stringify(error.faults) + error.message).not.toContain('c4n4ry');
  });

  it.each(['0', '65536', '1e3', '0x50', '8080.5', ' 80 80', 'NaN', 'Infinity'])(
    'refuses the port %s',
    (port) => {
      expect(() => loadConfig(table, { ...env, MAGPIE_PORT: port })).toThrow(ConfigError);
    },
  );
});

describe('defineConfig', () => {
  it('refuses a default that its schema refuses, and two entries for one variable', () => {
    expect(() =>
      defineConfig({ A: { schema: Type.Integer({ minimum: 2 }), default: 1, describe: 'x' } }),
    ).toThrow('the default of A must be a whole number, at least 2');
    expect(() =>
      defineConfig({
        A: { schema: Type.String(), optional: true, describe: 'x' },
        b: { env: 'A', schema: Type.String(), optional: true, describe: 'x' },
      }),
    ).toThrow('two entries read A');
  });
});

describe('help and docs', () => {
  it('print every variable with what it takes and its default, and no secret', () => {
    const key = { schema: Type.String(), default: 'c4n4ry', secret: true, describe: 'A key' } as const;
    const secret = { ...table, KEY: key };
    const help = configHelp(secret, { name: 'gateway', summary: 'the HTTP surface' });
    const markdown = configMarkdown(secret, table);
    for (const text of [help, markdown]) {
      for (const [key, entry] of Object.entries(secret)) {
        expect(text).toContain('env' in entry ? entry.env : key);
        expect(text).toContain(
          entry.describe.replace('|', text === markdown ? '\\|' : '|').replace(/\.$/, ''),
        );
      }
      expect(text).toContain('90s');
      expect(text).toContain('64MiB');
      expect(text).not.toContain('c4n4ry');
    }
    expect(help).toMatch(/^gateway: the HTTP surface\n/);
    expect(markdown.split('\n')).toContain(
      '| `AMQP_URL` | The broker | an amqp:// or amqps:// URL; secret | required |',
    );
    expect(markdown.match(/`AMQP_URL`/g)).toHaveLength(1);
  });
});

describe('units', () => {
  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e11 }), (n) => {
        expect(parseDuration(formatDuration(n))).toBe(n);
        expect(parseBytes(formatBytes(n))).toBe(n);
      }),
    );
  });

  it.each(['', '5', '-1s', '1 s', '1e3s', 's', '1.s', '1sm'])('refuses the duration %j', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });
});

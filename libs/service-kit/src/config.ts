/**
 * Configuration is one table per app: a schema, the environment variable's name, a default, a description.
 * The table is the only truth: it validates at boot, prints `--help` and makes the README's table.
 */
import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { coerce, expectation, writeValue } from './config-values.ts';
import { redactText } from './redact.ts';

/** One variable. Without `default` and without `optional: true` it is required. */
export interface ConfigEntry {
  /** What a valid value is, after the text was read as a number, boolean, duration, size or comma-separated list. */
  schema: TSchema;
  /** Name of the environment variable; the key of the table unless given. */
  env?: string;
  /** Used where the variable is unset or empty. In the value's own type: a duration's default is in milliseconds. */
  default?: unknown;
  /** `true`: may stay unset, and is then `undefined`. */
  optional?: true;
  /** `true`: its value is never shown, neither in a fault nor in the help. */
  secret?: true;
  /** What it does, in one sentence without a final dot. */
  describe: string;
}

export type ConfigTable = Record<string, ConfigEntry>;

/** The loaded values of a table: typed, read only. */
export type Config<T extends ConfigTable> = {
  readonly [K in keyof T]: T[K] extends { optional: true }
    ? Static<T[K]['schema']> | undefined
    : Static<T[K]['schema']>;
};

export type Environment = Readonly<Record<string, string | undefined>>;

/** What is wrong with one variable, in words that never hold a secret's value. */
export interface ConfigFault {
  env: string;
  problem: string;
}

/** All faults of a configuration at once; `message` has one line for each. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  readonly faults: readonly ConfigFault[];

  constructor(faults: readonly ConfigFault[]) {
    super(`Configuration is not valid:\n${faults.map((f) => `  ${f.env} ${f.problem}`).join('\n')}`);
    this.faults = faults;
  }
}

/**
 * Declares a table. Tables compose by spreading: `defineConfig({ ...commonConfig, MAX_PAGES: { … } })`.
 * @throws TypeError when a default doesn't match its own schema, or two entries read one variable
 */
export function defineConfig<T extends ConfigTable>(
  table: T & { [K in keyof T]: { default?: Static<T[K]['schema']> } },
): T {
  const seen = new Set<string>();
  for (const [key, entry] of Object.entries<ConfigEntry>(table)) {
    const env = entry.env ?? key;
    if (seen.has(env)) throw new TypeError(`two entries read ${env}`);
    seen.add(env);
    if (entry.default !== undefined && !Value.Check(entry.schema, entry.default)) {
      throw new TypeError(`the default of ${env} must be ${expectation(entry.schema)}`);
    }
  }
  return table;
}

/**
 * Reads and validates every variable of the table. An empty string counts as unset. The result is deeply frozen.
 * @throws ConfigError naming every variable that is missing or wrong
 */
export function loadConfig<T extends ConfigTable>(table: T, env: Environment = process.env): Config<T> {
  const faults: ConfigFault[] = [];
  const config: Record<string, unknown> = {};
  for (const [key, entry] of Object.entries(table)) {
    const name = entry.env ?? key;
    const raw = env[name]?.trim() ?? '';
    if (raw === '') {
      if (entry.default === undefined && !entry.optional) {
        faults.push({ env: name, problem: `is not set; it must be ${expectation(entry.schema)}` });
      }
      config[key] = freeze(structuredClone(entry.default));
      continue;
    }
    const value = coerce(entry.schema, raw);
    if (value === undefined || !Value.Check(entry.schema, value)) {
      const shown = entry.secret ? '' : `, not ${JSON.stringify(redactText(raw.slice(0, 100)))}`;
      faults.push({ env: name, problem: `must be ${expectation(entry.schema)}${shown}` });
      continue;
    }
    config[key] = freeze(value);
  }
  if (faults.length > 0) throw new ConfigError(faults);
  return Object.freeze(config) as Config<T>;
}

/** The text that `--help` prints: every variable, what it takes, its default. */
export function configHelp(table: ConfigTable, about?: { name: string; summary?: string }): string {
  const head = about ? [`${about.name}${about.summary ? `: ${about.summary}` : ''}`, ''] : [];
  const entries = rows([table]).flatMap((row) => [
    `  ${row.env}`,
    `      ${row.describe}.`,
    `      ${row.takes}${row.fallback === 'required' ? '; required' : `; default: ${row.fallback}`}`,
  ]);
  return [...head, 'Environment variables:', ...entries, ''].join('\n');
}

/** The Markdown table of one or several tables; a variable that more than one of them reads appears once. */
export function configMarkdown(...tables: readonly ConfigTable[]): string {
  const cell = (text: string) => text.replaceAll('|', '\\|');
  const lines = rows(tables).map((row) => {
    const fallback =
      row.fallback === 'required' || row.fallback === 'none' ? row.fallback : `\`${row.fallback}\``;
    return `| \`${row.env}\` | ${cell(row.describe)} | ${cell(row.takes)} | ${cell(fallback)} |`;
  });
  return ['| variable | what it does | takes | default |', '| --- | --- | --- | --- |', ...lines, ''].join(
    '\n',
  );
}

/**
 * The boot of an app: prints the help and exits 0 when asked by `--help` or `-h`;
 * prints every fault and exits 78 (`EX_CONFIG` of sysexits.h) when the environment is not valid.
 */
export function bootConfig<T extends ConfigTable>(
  table: T,
  about: { name: string; summary?: string },
  { env = process.env, argv = process.argv.slice(2) }: { env?: Environment; argv?: readonly string[] } = {},
): Config<T> {
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(configHelp(table, about));
    process.exit(0);
  }
  try {
    return loadConfig(table, env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${about.name}: ${error.message}\nSee ${about.name} --help\n`);
    process.exit(78);
  }
}

interface Row {
  env: string;
  describe: string;
  takes: string;
  fallback: string;
}

function rows(tables: readonly ConfigTable[]): Row[] {
  const byName = new Map<string, Row>();
  for (const [key, entry] of tables.flatMap((table) => Object.entries(table))) {
    const env = entry.env ?? key;
    byName.set(env, {
      env,
      describe: entry.describe.replace(/\.$/, ''),
      takes: expectation(entry.schema) + (entry.secret ? '; secret' : ''),
      fallback: fallbackOf(entry),
    });
  }
  return [...byName.values()];
}

function fallbackOf(entry: ConfigEntry): string {
  if (entry.default === undefined) return entry.optional ? 'none' : 'required';
  if (entry.secret) return '(hidden)';
  return writeValue(entry.schema, entry.default) || 'none';
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(freeze);
  return Object.freeze(value);
}

import {
  ConfigError,
  loadConfig,
  type Config,
  type ConfigFault,
  type ConfigTable,
} from '@magpie/service-kit';
import { Value } from 'typebox/value';

/** The values of a `settings` table, as steps get them in `context.settings`. */
export type Settings<T extends ConfigTable> = Config<T>;

/**
 * The values of a source's settings: its defaults, and instead of them what is given, by the names in the table.
 * A text is read as the environment variable would be; any other value is taken as it is.
 * @throws ConfigError naming every setting that is missing, wrong, or none of the source's
 */
export function settingsOf(
  table: ConfigTable,
  given: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  const faults: ConfigFault[] = Object.keys(given)
    .filter((name) => !Object.hasOwn(table, name))
    .map((name) => ({ env: name, problem: 'is no setting of the source' }));
  const texts: ConfigTable = {};
  const env: Record<string, string> = {};
  const values: Record<string, unknown> = {};
  for (const [name, entry] of Object.entries(table)) {
    const value = given[name];
    if (value === undefined || typeof value === 'string') {
      texts[name] = entry;
      if (value !== undefined) env[entry.env ?? name] = value;
    } else if (Value.Check(entry.schema, value)) {
      values[name] = value;
    } else {
      faults.push({ env: name, problem: 'is not what its schema says' });
    }
  }
  if (faults.length > 0) throw new ConfigError(faults);
  return Object.freeze({ ...loadConfig(texts, env), ...values });
}

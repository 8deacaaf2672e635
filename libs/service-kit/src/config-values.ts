/** How an environment variable's text becomes a value, and how a value and what is expected of it are written. */
import type { TSchema } from 'typebox';
import { formatBytes, formatDuration, parseBytes, parseDuration } from './units.ts';

/** The JSON Schema keywords that configuration uses. */
interface Keywords {
  type?: string;
  unit?: 'duration' | 'bytes';
  title?: string;
  items?: TSchema;
  enum?: readonly unknown[];
  anyOf?: readonly TSchema[];
  const?: unknown;
  format?: string;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  minItems?: number;
}

const BOOLEANS: Record<string, boolean> = {
  true: true,
  yes: true,
  on: true,
  '1': true,
  false: false,
  no: false,
  off: false,
  '0': false,
};

/** The value that a variable's text stands for, by the schema's type; undefined when it can't be read as that. */
export function coerce(schema: TSchema, text: string): unknown {
  const s = schema as Keywords;
  if (s.unit === 'duration') return parseDuration(text);
  if (s.unit === 'bytes') return parseBytes(text);
  if (s.type === 'integer' || s.type === 'number') {
    return /^[+-]?\d{1,15}(\.\d{1,15})?$/.test(text) ? Number(text) : undefined;
  }
  if (s.type === 'boolean') return BOOLEANS[text.toLowerCase()];
  if (s.type === 'array') {
    const parts = text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
      .map((part) => coerce(s.items ?? ({} as TSchema), part));
    return parts.includes(undefined) ? undefined : parts;
  }
  const choices = choicesOf(s);
  return choices?.find((choice) => String(choice) === text) ?? text;
}

/** What a variable takes, in words; the schema's `title` when it has one. */
export function expectation(schema: TSchema): string {
  const s = schema as Keywords;
  if (s.title !== undefined) return s.title;
  if (s.unit === 'duration') return `a duration such as 500ms, 30s, 5m or 12h${range(s, formatDuration)}`;
  if (s.unit === 'bytes') return `a size such as 512, 64KiB or 10MB${range(s, formatBytes)}`;
  if (s.type === 'integer') return `a whole number${range(s, String)}`;
  if (s.type === 'number') return `a number${range(s, String)}`;
  if (s.type === 'boolean') return 'true or false';
  if (s.type === 'array') {
    const least = s.minItems ? ` with at least ${s.minItems} of them` : '';
    return `a comma-separated list${least}, each ${expectation(s.items ?? ({} as TSchema))}`;
  }
  const choices = choicesOf(s);
  if (choices) return `one of ${choices.join(', ')}`;
  if (s.format) return `text in the format "${s.format}"`;
  if (s.pattern) return `text that matches ${s.pattern}`;
  if (s.minLength) return `text of at least ${s.minLength} characters`;
  return 'text';
}

/** A value as one would write it in the environment. */
export function writeValue(schema: TSchema, value: unknown): string {
  const s = schema as Keywords;
  if (s.unit === 'duration') return formatDuration(value as number);
  if (s.unit === 'bytes') return formatBytes(value as number);
  if (Array.isArray(value))
    return value.map((item) => writeValue(s.items ?? ({} as TSchema), item)).join(',');
  return String(value);
}

function choicesOf(s: Keywords): readonly unknown[] | undefined {
  if (s.enum) return s.enum;
  if (s.const !== undefined) return [s.const];
  const constants = s.anyOf?.map((option) => (option as Keywords).const);
  return constants && !constants.includes(undefined) ? constants : undefined;
}

function range(s: Keywords, write: (value: number) => string): string {
  const { minimum, maximum } = s;
  const from = minimum !== undefined && (minimum > 0 || !s.unit) ? write(minimum) : undefined;
  if (from !== undefined && maximum !== undefined) return `, from ${from} to ${write(maximum)}`;
  if (from !== undefined) return `, at least ${from}`;
  return maximum === undefined ? '' : `, at most ${write(maximum)}`;
}

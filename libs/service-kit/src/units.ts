import { Type, type TInteger } from 'typebox';

const MILLISECONDS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const BYTES = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

interface Range {
  minimum?: number;
  maximum?: number;
}

/** Schema of a time span, written `500ms`, `30s`, `5m`, `12h` or `7d`; its value is in milliseconds, as are the limits. */
export function Duration(range: Range = {}): TInteger {
  return Type.Integer({ minimum: 0, ...range, unit: 'duration' });
}

/** Schema of a size, written `512`, `64KiB`, `10MB`; its value is in bytes, as are the limits. */
export function Bytes(range: Range = {}): TInteger {
  return Type.Integer({ minimum: 0, ...range, unit: 'bytes' });
}

/** Milliseconds of `1.5h` and the like. A bare number is refused (except 0), because its unit would be a guess. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  return scaled(text, /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)$/, MILLISECONDS);
}

/** Bytes of `64KiB` and the like; a bare integer is bytes. */
export function parseBytes(text: string): number | undefined {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  return scaled(text, /^(\d{1,12}(?:\.\d{1,6})?)(B|KB|MB|GB|KiB|MiB|GiB)$/, BYTES);
}

/** The shortest exact way to write a time span in milliseconds: 90000 → `90s`, 3600000 → `1h`. */
export function formatDuration(ms: number): string {
  return shortest(ms, MILLISECONDS, '0');
}

/** The shortest exact way to write a size in bytes by powers of 1024: 67108864 → `64MiB`. */
export function formatBytes(bytes: number): string {
  return shortest(bytes, { B: 1, KiB: BYTES.KiB, MiB: BYTES.MiB, GiB: BYTES.GiB }, '0B');
}

function scaled(text: string, form: RegExp, units: Record<string, number>): number | undefined {
  const [, digits, unit] = form.exec(text) ?? [];
  if (digits === undefined || unit === undefined) return undefined;
  return Math.round(Number(digits) * (units[unit] ?? Number.NaN));
}

function shortest(value: number, units: Record<string, number>, zero: string): string {
  if (value === 0) return zero;
  const [unit, factor] = Object.entries(units)
    .filter(([, size]) => value % size === 0)
    .at(-1) ?? ['', 1];
  return `${value / factor}${unit}`;
}

/** Values of items as JSON knows them. */

/** A value as JSON would hold it, not yet as text: instants are ISO 8601, what JSON knows nothing of is null. */
export function plain(value: unknown): string | number | bigint | boolean | object | null {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'bigint':
    case 'boolean':
      return value;
    case 'object':
      if (value === null) return null;
      if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
      return hasToJson(value) ? plain(value.toJSON()) : value;
    default:
      return null;
  }
}

const hasToJson = (value: object): value is { toJSON(): unknown } =>
  typeof (value as { toJSON?: unknown }).toJSON === 'function';

// Newer than the types: text that stands in JSON as it is.
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

/** JSON text of a value, with integers of any size digit by digit. NaN and the infinities are null, as ever in JSON. */
export function jsonText(value: unknown): string {
  try {
    return JSON.stringify(value) ?? 'null';
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return JSON.stringify(value, (_, at: unknown) => (typeof at === 'bigint' ? rawJSON(String(at)) : at));
  }
}

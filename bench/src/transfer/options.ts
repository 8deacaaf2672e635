import { parseArgs } from 'node:util';

export interface TransferOptions {
  rows: number;
  rounds: number;
  json: string | undefined;
}

export const HELP = `npm run bench:transfer -- [options]

Imports a CSV file of many rows as items with the whole platform and exports them again as CSV, beside bare pipelines
in the same run: csv-parse → bulkWrite, and find → csv-stringify; and mongoimport and mongoexport where they are
installed. Prints rows a second, ratios, and the peak memory of each process; asserts no time.

  --rows N       rows (1000000)
  --rounds N     rounds, each on servers of its own (1)
  --json FILE    all figures as JSON
  --help
`;

/** The options, or undefined when only help is wanted. Throws with a line for the user. */
export function readOptions(args: string[]): TransferOptions | undefined {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args,
    options: { rows: text, rounds: text, json: text, help: { type: 'boolean' } },
  });
  if (values.help) return undefined;
  const count = (name: 'rows' | 'rounds', otherwise: number): number => {
    const number = Number(values[name] ?? otherwise);
    if (!Number.isInteger(number) || number < 1) throw new Error(`--${name} wants a number, 1 or more`);
    return number;
  };
  return { rows: count('rows', 1_000_000), rounds: count('rounds', 1), json: values.json };
}

/**
 * Lints pieces of code as if they stood in the named files, with the repository's own configuration.
 * Reads a JSON array of `{ file, code }` from standard input, writes for each the ids of the rules that it breaks
 * (of our own rules, with the message's id).
 */
import { text } from 'node:stream/consumers';
import { ESLint } from 'eslint';
import tseslint from 'typescript-eslint';

const cases = JSON.parse(await text(process.stdin)) as { file: string; code: string }[];
// The files don't exist, so there are no types for them; rules that need none are all that is judged here.
const eslint = new ESLint({
  overrideConfig: [
    {
      files: ['**/*.ts'],
      ignores: ['tools/workspace/src/plugin.ts'],
      ...tseslint.configs.disableTypeChecked,
    },
    {
      files: ['**/*.ts'],
      ignores: ['tools/workspace/src/plugin.ts'],
      rules: { '@typescript-eslint/no-unused-vars': 'off' },
    },
  ],
});
const broken: (string | null)[][] = [];
for (const { file, code } of cases) {
  const [result] = await eslint.lintText(code, { filePath: file });
  broken.push(
    (result?.messages ?? []).map(({ ruleId, messageId, message }) =>
      ruleId?.startsWith('magpie/') ? `${ruleId} ${messageId}` : (ruleId ?? message),
    ),
  );
}
process.stdout.write(JSON.stringify(broken));

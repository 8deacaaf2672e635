import { ERRORS } from '@magpie/contracts';
import type { HttpProblem } from '../problems.ts';
import { html } from './html.ts';
import { document } from './layout.ts';

/** What is wrong, and what to do, in words. */
export const wordsOf = ({ code, message }: HttpProblem): { title: string; detail: string; help: string } => {
  const { title, help } = ERRORS[code];
  return { title, detail: message === '' ? help : message, help };
};

/** A problem as a page. What helps with its document, fields that are named there, is nothing to show to people. */
export function problemPage(problem: HttpProblem, root: string, back?: string): string {
  const { title, detail, help } = wordsOf(problem);
  const further = help !== detail && !help.includes('`');
  return document({
    root,
    title,
    body: html`<h1>${title}</h1>
      <p>${detail}</p>
      ${further && html`<p>${help}</p>`} ${back !== undefined && html`<p><a href="${back}">Back</a></p>`}`,
  });
}

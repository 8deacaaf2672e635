import { ERRORS } from '@magpie/contracts';
import type { HttpProblem } from '../problems.ts';
import { html } from './html.ts';
import { document } from './layout.ts';

/** What is wrong, and what to do, in words. */
export const wordsOf = ({ code, message }: HttpProblem): { title: string; detail: string; help: string } => {
  const { title, help } = ERRORS[code];
  return { title, detail: message === '' ? help : message, help };
};

/** A problem as a page. */
export function problemPage(problem: HttpProblem, root: string, back?: string): string {
  const { title, detail, help } = wordsOf(problem);
  return document({
    root,
    title,
    body: html`<h1>${title}</h1>
      <p>${detail}</p>
      ${help !== detail && html`<p>${help}</p>`}
      ${back !== undefined && html`<p><a href="${back}">Back</a></p>`}`,
  });
}

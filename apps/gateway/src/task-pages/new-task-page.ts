import { NOT_IN_FORM } from '../field-errors.ts';
import type { FieldError } from '../problems.ts';
import { html, type Content, type Html } from './html.ts';
import { document } from './layout.ts';

/** The fields of the form, by the names of the source's parameters. */
export const FIELDS = ['tag', 'start', 'end', 'timeZone'] as const;
export type FieldName = (typeof FIELDS)[number];
export type Values = Partial<Record<FieldName, string>>;

interface Field {
  label: string;
  hint: string;
  /** Days are picked from a calendar; it has no place for an instant, which is shown as text. */
  day?: true;
  attributes: Html;
}

const FORM: Record<FieldName, Field> = {
  tag: {
    label: 'Hashtag',
    hint: 'With or without its #: letters, digits and underscores of any script.',
    attributes: html`required maxlength="250" autocapitalize="none" spellcheck="false" autocomplete="off"
    inputmode="text" enterkeyhint="next"`,
  },
  start: {
    label: 'Start date',
    hint: 'The first day. Left empty: as far back as Instagram shows.',
    day: true,
    attributes: html`autocomplete="off"`,
  },
  end: {
    label: 'End date',
    hint: 'The last day, to its end. While it is to come, new posts are looked for again and again. Left empty: until now.',
    day: true,
    attributes: html`autocomplete="off"`,
  },
  timeZone: {
    label: 'Time zone of the days',
    hint: 'A name of the IANA database, such as Europe/Berlin.',
    attributes: html`maxlength="60" autocomplete="off" autocapitalize="none" spellcheck="false"`,
  },
};

export interface NewTask {
  root: string;
  /** What was sent, to be corrected. */
  values?: Values | undefined;
  errors?: readonly FieldError[] | undefined;
  /** What is in the way besides fields. */
  problem?: { title: string; detail: string; help: string } | undefined;
  /** What the source cannot reach. */
  limits?: readonly string[] | undefined;
}

/** The form for a new task; with what is wrong beside each field, and all of it at the top. */
export function newTaskPage({ root, values = {}, errors = [], problem, limits = [] }: NewTask): string {
  const said = new Map(errors.map(({ field, message }) => [field, message]));
  const wrong = errors.length > 0 || problem !== undefined;
  return document({
    root,
    title: `${wrong ? 'Error: ' : ''}New task`,
    body: html`<h1>Collect posts with a hashtag</h1>
      ${alert(errors, problem)}
      <form method="post" action="${root}/task/new/" accept-charset="utf-8">
        ${FIELDS.map((name) => field(name, values[name], said.get(name)))}
        <p><button type="submit">Collect</button></p>
      </form>
      ${
        limits.length > 0 &&
        html`<h2>What can be reached</h2>
          <ul>
            ${limits.map((limit) => html`<li>${limit}</li>`)}
          </ul>`
      }`,
  });
}

function field(name: FieldName, value: string | undefined, error: string | undefined): Html {
  const { label, hint, day, attributes } = FORM[name];
  const shown = value ?? (name === 'timeZone' ? 'UTC' : '');
  const type = day && (shown === '' || /^\d{4}-\d\d-\d\d$/.test(shown)) ? 'date' : 'text';
  const described = `${name}-hint${error === undefined ? '' : ` ${name}-error`}`;
  return html`<div class="field">
    <label for="${name}">${label}</label>
    <p class="hint" id="${name}-hint">${hint}</p>
    ${error !== undefined && html`<p class="error" id="${name}-error">${sentence(name, error)}</p>`}
    <input
      type="${type}"
      id="${name}"
      name="${name}"
      value="${shown}"
      aria-describedby="${described}"
      ${error !== undefined && html` aria-invalid="true"`}
      ${attributes}
    />
  </div> `;
}

function alert(errors: readonly FieldError[], problem: NewTask['problem']): Content {
  if (errors.length === 0 && problem === undefined) return undefined;
  return html`<div class="alert" role="alert" aria-labelledby="alert-title" tabindex="-1">
    <h2 id="alert-title">${problem?.title ?? 'The task was not made'}</h2>
    ${problem && [html`<p>${problem.detail}</p>`, problem.help !== problem.detail && html`<p>${problem.help}</p>`]}
    ${
      errors.length > 0 &&
      html`<ul>
        ${errors.map(({ field: name, message }) =>
          isField(name)
            ? html`<li><a href="#${name}">${sentence(name, message)}</a></li>`
            : html`<li>${name} ${message}</li>`,
        )}
      </ul>`
    }
  </div>`;
}

const isField = (name: string): name is FieldName => (FIELDS as readonly string[]).includes(name);

/** A pattern is nothing to show to people. */
const sentence = (name: FieldName, message: string): string =>
  `${FORM[name].label} ${
    message.startsWith(NOT_IN_FORM)
      ? 'must be letters, digits and underscores, 100 at most, without blanks or emoji'
      : message
  }.`;

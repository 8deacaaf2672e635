/** Where a text stops being JSON (RFC 8259): the engine's own messages tell it of some faults only. */

const LITERALS = ['true', 'false', 'null'];
const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;
const SPACE = ' \t\n\r';

/** "unexpected … at character 12", counted from 1, of a text that `JSON.parse` refused. */
export function whereBroken(text: string): string {
  const open: string[] = [];
  // What may come next; `first` of a container may also be its end.
  let expected: 'value' | 'first value' | 'name' | 'first name' | 'colon' | 'more' = 'value';
  let at = 0;
  for (;;) {
    while (at < text.length && SPACE.includes(text[at]!)) at++;
    if (at >= text.length)
      return open.length > 0 || expected !== 'more'
        ? `it ends too early, after character ${at}`
        : 'no fault found';
    const c = text[at]!;
    const inArray = open.at(-1) === '[';
    if (expected === 'more') {
      if (open.length === 0) return unexpected(text, at);
      if (c === ',') expected = inArray ? 'value' : 'name';
      else if (c === (inArray ? ']' : '}')) open.pop();
      else return unexpected(text, at);
      at++;
    } else if (expected === 'colon') {
      if (c !== ':') return unexpected(text, at);
      expected = 'value';
      at++;
    } else if (expected === 'name' || expected === 'first name') {
      if (c === '}' && expected === 'first name') {
        open.pop();
        expected = 'more';
        at++;
      } else if (c === '"') {
        const end = stringEnd(text, at);
        if (end.fault !== undefined) return end.fault;
        at = end.at;
        expected = 'colon';
      } else return unexpected(text, at);
    } else if (c === ']' && expected === 'first value') {
      open.pop();
      expected = 'more';
      at++;
    } else if (c === '{' || c === '[') {
      open.push(c);
      expected = c === '{' ? 'first name' : 'first value';
      at++;
    } else if (c === '"') {
      const end = stringEnd(text, at);
      if (end.fault !== undefined) return end.fault;
      at = end.at;
      expected = 'more';
    } else {
      let end = at;
      while (end < text.length && !' \t\n\r,:[]{}"'.includes(text[end]!)) end++;
      const token = text.slice(at, end);
      if (!LITERALS.includes(token) && !(token.length < 1000 && NUMBER.test(token)))
        return unexpected(text, at);
      at = end;
      expected = 'more';
    }
  }
}

function stringEnd(text: string, begin: number): { at: number; fault?: string } {
  for (let at = begin + 1; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (c === 0x22) return { at: at + 1 };
    if (c < 0x20) return { at, fault: unexpected(text, at) };
    if (c !== 0x5c) continue;
    at++;
    if (text[at] === 'u') {
      for (let digit = 0; digit < 4; digit++) {
        at++;
        if (at < text.length && !/[0-9a-fA-F]/.test(text[at]!)) return { at, fault: unexpected(text, at) };
      }
    } else if (at < text.length && !'"\\/bfnrt'.includes(text[at]!))
      return { at, fault: unexpected(text, at) };
  }
  return { at: text.length, fault: `the string that begins at character ${begin + 1} does not end` };
}

const unexpected = (text: string, at: number) =>
  `unexpected ${JSON.stringify(String.fromCodePoint(text.codePointAt(at)!))} at character ${at + 1}`;

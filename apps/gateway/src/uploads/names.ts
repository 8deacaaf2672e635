/** What a client says of its file, made harmless: it is shown, stored and sent back in headers. */

/** More than this is no name. */
const MAX_NAME = 200;
const UNSAFE = /[\u0000-\u001f\u007f-\u009f"<>|:*?\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** The last part of a path, of any system, without what is no part of a name; undefined when nothing is left. */
export function fileName(given: string | undefined): string | undefined {
  const base = (given ?? '').split(/[/\\]/).at(-1) ?? '';
  const name = base.replace(UNSAFE, '').toWellFormed().trim().replace(/^\.+/, '');
  if (name.length <= MAX_NAME) return name === '' ? undefined : name;
  // The ending tells what it is.
  const ending = /\.[A-Za-z0-9]{1,10}(\.gz)?$/.exec(name)?.[0] ?? '';
  return (name.slice(0, MAX_NAME - ending.length) + ending).toWellFormed();
}

/** The name that a Content-Disposition header gives (RFC 6266); the extended one first. */
export function dispositionName(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const extended = /;\s*filename\*\s*=\s*utf-8''([^;\s]*)/i.exec(header)?.[1];
  if (extended !== undefined)
    try {
      return fileName(decodeURIComponent(extended));
    } catch {
      // Not what RFC 8187 has; the plain one may do.
    }
  const [, quoted, token] = /;\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]+))/i.exec(header) ?? [];
  return fileName(quoted?.replace(/\\(.)/g, '$1') ?? token);
}

const TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,99}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,99}$/;
/** What curl says of any file. */
const MEANINGLESS = 'application/x-www-form-urlencoded';

/** A media type without its parameters, in lower case. */
export function mediaType(given: string | undefined): string {
  const type = (given ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  return TYPE.test(type) && type !== MEANINGLESS ? type : 'application/octet-stream';
}

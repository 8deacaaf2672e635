/**
 * Attributes in which lazy loaders keep the real address until the picture comes into view. Every one of them is
 * taken on `<img>` and its like; on other elements only when it is about backgrounds or ends like an image.
 */
export const LAZY_SRC: readonly string[] = [
  'data-src',
  'data-original',
  'data-lazy-src',
  'data-lazy',
  'data-lazyload',
  'data-ll-src',
  'data-defer-src',
  'data-cfsrc',
  'data-ezsrc',
  'data-wf-src',
  'data-echo',
  'data-url',
  'data-image',
  'data-img',
  'data-img-src',
  'data-flickity-lazyload',
  'data-splide-lazy',
  'data-retina',
  'data-src-retina',
  'data-hi-res-src',
  'data-full-src',
  'data-full',
  'data-large',
  'data-large-file',
  'data-large_image',
  'data-orig-file',
  'data-zoom-image',
  'data-pin-media',
  'nitro-lazy-src',
];

/** As `LAZY_SRC`, with the grammar of srcset. */
export const LAZY_SRCSET: readonly string[] = [
  'data-srcset',
  'data-lazy-srcset',
  'data-original-set',
  'data-ll-srcset',
  'data-flickity-lazyload-srcset',
  'data-splide-lazy-srcset',
  'nitro-lazy-srcset',
];

/** Backgrounds set by script: an address, or CSS with `url()`. */
export const LAZY_BACKGROUND: readonly string[] = [
  'data-bg',
  'data-bg-src',
  'data-bg-image',
  'data-background',
  'data-background-image',
  'data-lazy-background',
  'data-image-src',
  'data-poster',
];

export const LAZY_ATTRIBUTES: ReadonlySet<string> = new Set([
  ...LAZY_SRC,
  ...LAZY_SRCSET,
  ...LAZY_BACKGROUND,
]);

/** Types that the collector can keep, by the end of a URL's path. */
const IMAGE_EXTENSION =
  /\.(?:jpe?g|jpe|jfif|pjpeg|png|apng|gif|webp|avif|avifs|heic|heif|bmp|ico|cur|tiff?|svg|svgz|jxl)$/i;

/**
 * Whether a URL leads to an image by the extension of its path. A last segment with a colon in it
 * (`/wiki/File:Cat.jpg`) is a page about an image.
 */
export function hasImageExtension(url: string): boolean {
  const end = url.search(/[?#]/);
  const path = end < 0 ? url : url.slice(0, end);
  return IMAGE_EXTENSION.test(path) && !path.slice(path.lastIndexOf('/') + 1).includes(':');
}

/** Whether the value of a lazy attribute can be an address at all: scripts also keep flags and JSON there. */
export function isLikelyAddress(value: string): boolean {
  const address = value.trim();
  return /^[^[{<]/.test(address) && /[./?]/.test(address) && !/[<>"\n]/.test(address);
}

const PLACEHOLDER_NAME =
  /^(?:.*[._-])?(?:blank|spacer|placeholder|transparent|pixel|dummy|empty|clear|lazy|lazyload|loading|loader|preload|grey|gray|1x1|1px|trans)(?:[._-].*)?\.(?:gif|png|svg|jpe?g|webp)$/i;
/** A longer name is no placeholder's, and the expression above is not linear. */
const MAX_PLACEHOLDER_NAME = 60;

/** Whether a `src` is only there until a lazy loader puts the real one in its place. */
export function isPlaceholder(src: string): boolean {
  const value = src.trim();
  if (value === '' || value === '#' || /^(?:data|about|javascript):/i.test(value)) return true;
  const end = value.search(/[?#]/);
  const path = end < 0 ? value : value.slice(0, end);
  const name = path.slice(path.lastIndexOf('/') + 1);
  return name.length <= MAX_PLACEHOLDER_NAME && PLACEHOLDER_NAME.test(name);
}

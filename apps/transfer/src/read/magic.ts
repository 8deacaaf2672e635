/** What a file is that is no table, by its first bytes. */

type Signature = readonly [what: string, at: number, bytes: string];

// As in the formats' own specifications; `bytes` are Latin-1.
const SIGNATURES: readonly Signature[] = [
  ['a PNG image', 0, '\x89PNG\r\n\x1a\n'],
  ['a JPEG image', 0, '\xff\xd8\xff'],
  ['a GIF image', 0, 'GIF87a'],
  ['a GIF image', 0, 'GIF89a'],
  ['a WebP image', 8, 'WEBP'],
  ['a TIFF image', 0, 'II*\0'],
  ['a TIFF image', 0, 'MM\0*'],
  ['an icon', 0, '\0\0\x01\0'],
  ['a PDF document', 0, '%PDF-'],
  ['an RTF document', 0, '{\\rtf'],
  ['a PostScript document', 0, '%!PS-'],
  ['an old Excel or Word document', 0, '\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1'],
  ['a Parquet file', 0, 'PAR1'],
  ['an Avro file', 0, 'Obj\x01'],
  ['an ORC file', 0, 'ORC\x08'],
  ['an Arrow file', 0, 'ARROW1\0\0'],
  ['an SQLite database', 0, 'SQLite format 3\0'],
  ['a gzip file within the gzip file', 0, '\x1f\x8b\x08'],
  ['a bzip2 file', 0, 'BZh'],
  ['an xz file', 0, '\xfd7zXZ\0'],
  ['a zstd file', 0, '\x28\xb5\x2f\xfd'],
  ['an LZ4 file', 0, '\x04\x22\x4d\x18'],
  ['a 7z archive', 0, "7z\xbc\xaf'\x1c"],
  ['a RAR archive', 0, 'Rar!\x1a\x07'],
  ['a tar archive', 257, 'ustar'],
  ['a program (ELF)', 0, '\x7fELF'],
  ['a program (Mach-O)', 0, '\xcf\xfa\xed\xfe'],
  ['a Java class', 0, '\xca\xfe\xba\xbe'],
  ['a WebAssembly module', 0, '\0asm'],
  ['a video or audio file', 4, 'ftyp'],
  ['a Matroska or WebM file', 0, '\x1a\x45\xdf\xa3'],
  ['an Ogg file', 0, 'OggS'],
  ['an MP3 file', 0, 'ID3\x02'],
  ['an MP3 file', 0, 'ID3\x03'],
  ['an MP3 file', 0, 'ID3\x04'],
  ['a FLAC file', 0, 'fLaC\0'],
  ['a WAV file', 8, 'WAVE'],
];

/** Byte order marks; one begins as that of UTF-16 does. */
const UTF_32 = ['\xff\xfe\0\0', '\0\0\xfe\xff'];

/** For example "a PNG image"; undefined when nothing is known that is not text. */
export function knownKind(head: Buffer): string | undefined {
  const latin = head.toString('latin1', 0, 512);
  if (UTF_32.some((mark) => latin.startsWith(mark))) return 'text in UTF-32: save it as UTF-8';
  for (const [what, at, bytes] of SIGNATURES) {
    if (latin.startsWith(bytes, at) && (at !== 8 || latin.startsWith('RIFF'))) {
      // Two of them could begin a line of text.
      if ((bytes === 'BZh' || bytes === 'ftyp') && !/[^\t\n\r\x20-\x7e]/.test(latin)) continue;
      return what;
    }
  }
  if (latin.startsWith('PK\x03\x04') || latin.startsWith('PK\x05\x06')) return zipKind(head);
  if (latin.startsWith('MZ') && latin.includes('\0')) return 'a program (Windows)';
  const begin = latin
    .replace(/^\xef\xbb\xbf/, '')
    .trimStart()
    .toLowerCase();
  if (begin.startsWith('<!doctype html') || begin.startsWith('<html')) return 'an HTML page';
  if (begin.startsWith('<?xml')) return 'an XML document';
  return undefined;
}

function zipKind(head: Buffer): string {
  const latin = head.toString('latin1');
  if (latin.includes('xl/')) return 'an Excel workbook (xlsx)';
  if (latin.includes('word/')) return 'a Word document (docx)';
  if (latin.includes('opendocument.spreadsheet')) return 'an OpenDocument spreadsheet (ods)';
  return 'a ZIP archive';
}

/** Whether there are more control characters than text has; not for UTF-16. */
export function isBinary(head: Buffer): boolean {
  let controls = 0;
  for (const byte of head) if (byte < 0x20 && !(byte >= 0x08 && byte <= 0x0d) && byte !== 0x1b) controls++;
  return controls >= 16 && controls * 10 > head.length;
}

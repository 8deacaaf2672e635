/** Tables as markdown. */
import { select, type DomElement } from './extract-dom.ts';

/** Cells that a span may claim: a page may ask for a billion. */
const MAX_COLUMNS = 100;
const MAX_ROWS = 5000;
/** A cell with more text than this is a part of the page, not of a table. */
const MAX_CELL = 2000;

/** Whether a table holds data; if not, it lays out the page, and its cells are blocks one after the other. */
export function isDataTable(table: DomElement): boolean {
  if (table.getAttribute('role') === 'presentation' || table.querySelector('table') !== null) return false;
  const rows = rowsOf(table);
  const widest = Math.max(0, ...rows.slice(0, 100).map((row) => cellsOf(row).length));
  if (rows.length === 0 || widest < 2) return false;
  return !rows.slice(0, 100).some((row) => cellsOf(row).some((cell) => cell.textContent.length > MAX_CELL));
}

/**
 * The caption, if there is one, and the table. The header is the first row when it is in `thead` or all `th`, else
 * empty. Spans are filled with empty cells; line breaks within a cell are `<br>`.
 */
export function tableMarkdown(
  table: DomElement,
  cellText: (cell: DomElement) => string,
  lineOf: (element: DomElement) => string,
): string[] {
  const rows = rowsOf(table).slice(0, MAX_ROWS);
  const grid = spread(rows).map((row) =>
    row.map((cell) => (cell === undefined ? '' : escapeCell(cellText(cell)))),
  );
  const width = Math.max(1, ...grid.map((row) => row.length));
  const first = rows[0];
  const headed =
    first !== undefined &&
    (first.parentNode?.localName === 'thead' || cellsOf(first).every(({ localName }) => localName === 'th'));
  const header = headed ? (grid[0] ?? []) : [];
  const lines = [
    line(header, width),
    `| ${alignments(rows, width).join(' | ')} |`,
    ...grid
      .slice(headed ? 1 : 0)
      .filter((row) => row.some((cell) => cell !== ''))
      .map((row) => line(row, width)),
  ];
  const caption = table.querySelector('caption');
  const title = caption === null ? '' : lineOf(caption);
  return title === '' ? [lines.join('\n')] : [title, lines.join('\n')];
}

/** Cells by column, with `undefined` where a span reaches. */
function spread(rows: readonly DomElement[]): (DomElement | undefined)[][] {
  const reach: number[] = [];
  return rows.map((row) => {
    const line: (DomElement | undefined)[] = [];
    const skip = (): void => {
      while ((reach[line.length] ?? 0) > 0 && line.length < MAX_COLUMNS) {
        reach[line.length] = (reach[line.length] ?? 0) - 1;
        line.push(undefined);
      }
    };
    for (const cell of cellsOf(row)) {
      skip();
      const columns = span(cell, 'colspan');
      const below = span(cell, 'rowspan') - 1;
      for (let at = 0; at < columns && line.length < MAX_COLUMNS; at += 1) {
        if (below > 0) reach[line.length] = below;
        line.push(at === 0 ? cell : undefined);
      }
    }
    skip();
    return line;
  });
}

function span(cell: DomElement, attribute: string): number {
  const count = Number.parseInt(cell.getAttribute(attribute) ?? '1', 10);
  return Number.isFinite(count)
    ? Math.min(Math.max(count, 1), attribute === 'colspan' ? MAX_COLUMNS : MAX_ROWS)
    : 1;
}

function alignments(rows: readonly DomElement[], width: number): string[] {
  const marks = Array.from({ length: width }, () => '---');
  // The second row speaks for the columns better than a header, which is often centred.
  const cells = cellsOf(rows[1] ?? rows[0]);
  cells.slice(0, width).forEach((cell, index) => {
    const align = cell.getAttribute('data-align') ?? cell.getAttribute('align')?.toLowerCase();
    if (align === 'right') marks[index] = '---:';
    if (align === 'center') marks[index] = ':---:';
  });
  return marks;
}

function line(cells: readonly string[], width: number): string {
  return `| ${Array.from({ length: width }, (_, index) => cells[index] ?? '').join(' | ')} |`;
}

function escapeCell(text: string): string {
  return text
    .replace(/\\?\n/g, '<br>')
    .replace(/(?:<br>)+/g, '<br>')
    .replace(/\|/g, '\\|');
}

function rowsOf(table: DomElement): DomElement[] {
  return select(table, 'tr');
}

function cellsOf(row: DomElement | undefined): DomElement[] {
  const cells: DomElement[] = [];
  for (let cell = row?.firstElementChild ?? null; cell !== null; cell = cell.nextElementSibling) {
    if (cell.localName === 'td' || cell.localName === 'th') cells.push(cell);
  }
  return cells;
}

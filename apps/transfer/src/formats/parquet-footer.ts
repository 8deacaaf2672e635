/**
 * The metadata at the end of a Parquet file (FileMetaData of parquet.thrift, in Thrift's compact protocol), row group by row
 * group: what the library holds of each as objects until the end, 19 KB with 16 columns, is bytes here as soon as the group
 * is written, and waits outside of memory.
 */
import { ByteWriter } from 'hyparquet-writer';
import { writeMetadata } from 'hyparquet-writer/src/metadata.js';
import type { RowGroup, SchemaElement } from 'hyparquet';
import type { Output } from './output.ts';

/** Field 3, no rows, and field 4, an empty list: one byte more before the first group, which is the list's length. */
const NO_ROWS = Buffer.from([0x16, 0x00, 0x19]);
const LIST_OF_STRUCTS = 0x0c;
/** A list of more says its length in bytes of its own. */
const SHORT_LIST = 14;
const LENGTH_BYTES = 4;

export class ParquetFooter {
  readonly #output: Output;
  #groups = 0;
  #rows = 0n;

  constructor(output: Output) {
    this.#output = output;
  }

  get groups(): number {
    return this.#groups;
  }

  async add(group: RowGroup, schema: SchemaElement[]): Promise<void> {
    const { head, tail } = aroundGroups(schema);
    const bytes = metadataOf(schema, [group]);
    await this.#output.keep(bytes.subarray(head.length + NO_ROWS.length + 1, bytes.length - tail.length));
    this.#groups += 1;
    this.#rows += group.num_rows;
  }

  async write(schema: SchemaElement[]): Promise<void> {
    const { head, tail } = aroundGroups(schema);
    const before = new ByteWriter();
    before.appendBytes(head);
    before.appendBytes(NO_ROWS.subarray(0, 1));
    before.appendZigZag(this.#rows);
    before.appendBytes(NO_ROWS.subarray(2));
    before.appendUint8((Math.min(this.#groups, SHORT_LIST + 1) << 4) | LIST_OF_STRUCTS);
    if (this.#groups > SHORT_LIST) before.appendVarInt(this.#groups);
    const after = new ByteWriter();
    after.appendBytes(tail);
    after.appendUint32(before.index + this.#output.keptBytes + tail.length);
    after.appendBytes(Buffer.from('PAR1'));
    await this.#output.write(before.getBytes());
    await this.#output.writeKept();
    await this.#output.write(after.getBytes());
  }
}

/** What stands before the number of rows, and what behind the list of groups. */
function aroundGroups(schema: SchemaElement[]): { head: Buffer; tail: Buffer } {
  const bytes = metadataOf(schema, []);
  const at = bytes.lastIndexOf(Buffer.concat([NO_ROWS, Buffer.of(0)]));
  if (at === -1) throw new Error('The metadata of Parquet is not as it was known');
  return { head: bytes.subarray(0, at), tail: bytes.subarray(at + NO_ROWS.length + 1) };
}

/** Of a file of these groups that says that it has no rows. */
function metadataOf(schema: SchemaElement[], groups: RowGroup[]): Buffer {
  const writer = new ByteWriter();
  writeMetadata(writer, {
    version: 2,
    created_by: 'magpie',
    schema,
    num_rows: 0n,
    row_groups: groups,
  } as Parameters<typeof writeMetadata>[1]);
  return Buffer.from(writer.getBytes()).subarray(0, -LENGTH_BYTES);
}

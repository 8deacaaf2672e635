import { Bytes, commonConfig, defineConfig, Duration, healthConfig } from '@magpie/service-kit';
import { Type } from 'typebox';

const Count = Type.Integer({ minimum: 1, maximum: 100_000_000 });

/** What the transfer service reads. */
export const transferConfig = defineConfig({
  ...commonConfig,
  ...healthConfig,
  MONGODB_URL: {
    schema: Type.String({ pattern: '^mongodb(\\+srv)?://' }),
    secret: true,
    describe: 'Connection string of MongoDB; a replica set, because transactions are used',
  },
  AMQP_URL: { schema: Type.String({ pattern: '^amqps?://' }), secret: true, describe: 'Address of RabbitMQ' },
  MAGPIE_DATA: {
    schema: Type.String(),
    default: '.magpie',
    describe: 'Directory of the data: `uploads/`, `transfers/` and `files/exports/` below it',
  },
  MAGPIE_PUBLIC_URL: {
    schema: Type.String({ pattern: '^https?://[^/]+', title: 'an http:// or https:// URL' }),
    default: 'http://127.0.0.1:8080',
    describe: 'Where users reach nginx: the base of the addresses of files in exports',
  },
  MAGPIE_TRANSFERS: {
    schema: Type.Integer({ minimum: 1, maximum: 64 }),
    default: 2,
    describe: 'Imports and exports that one replica works on at once',
  },
  MAGPIE_TRANSFER_KEEP: {
    schema: Duration({ minimum: 1000 }),
    default: 7 * 86_400_000,
    describe: 'How long a finished export and an upload are kept',
  },
  MAGPIE_DISK_RESERVE: {
    schema: Bytes({ minimum: 0 }),
    default: 1024 ** 3,
    describe: 'Room that is left free on the disk, bytes: with less a transfer waits',
  },
  MAGPIE_ALLOW_ADDRESSES: {
    schema: Type.String(),
    default: '',
    describe: 'CIDR blocks, comma-separated, that may be collected from though they are private',
  },
  MAGPIE_IMPORT_MAX_ROWS: { schema: Count, default: 10_000_000, describe: 'Rows of one import' },
  MAGPIE_IMPORT_MAX_COLUMNS: {
    schema: Type.Integer({ minimum: 1, maximum: 10_000 }),
    default: 1000,
    describe: 'Columns of a row',
  },
  MAGPIE_IMPORT_MAX_CELL: {
    schema: Type.Integer({ minimum: 1, maximum: 16 * 1024 * 1024 }),
    default: 1024 * 1024,
    describe: 'Length of one cell, characters',
  },
  MAGPIE_IMPORT_MAX_BYTES: {
    schema: Bytes({ minimum: 0 }),
    default: 64 * 1024 ** 3,
    describe: 'Size of an imported file, decompressed, bytes',
  },
});

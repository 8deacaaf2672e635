import mongoose, { type ClientSession, type Connection } from 'mongoose';
import { defineModels, type Models } from './models.ts';

export interface StoreOptions {
  /** MongoDB connection string; the database is the one it names, `magpie` where it names none. */
  url: string;
  /** Overrides the database's name. */
  database?: string;
  /** How long an operation looks for a server before it fails, ms. */
  serverSelectionMs?: number;
  maxPoolSize?: number;
}

/** The database: connected lazily, reconnecting by itself. */
export interface Store extends Models {
  readonly connection: Connection;
  /** Resolves when the first connection stands; throws `StoreUnavailable` when it does not in time. */
  connected(): Promise<void>;
  /** Waits for the database, creates collections and indexes; safe to call at once from several processes, and again. */
  prepare(): Promise<void>;
  /** Whether the server answers now. */
  ping(): Promise<boolean>;
  /**
   * Runs `work` in a transaction with majority write concern, again when it met another writer
   * (write conflict, or a unique key that somebody else was first to). `work` must have no effect but through `session`.
   */
  transaction<T>(work: (session: ClientSession) => Promise<T>): Promise<T>;
  /** Idempotent. */
  close(): Promise<void>;
}

const MAX_TRIES = 60;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms).unref());

/** Connects; throws when the URL can't be understood, never because the server does not answer yet. */
export function openStore(options: StoreOptions): Store {
  const connection = mongoose.createConnection();
  const clientOptions = {
    dbName: options.database ?? databaseOf(options.url) ?? 'magpie',
    serverSelectionTimeoutMS: options.serverSelectionMs ?? 3000,
    connectTimeoutMS: 3000,
    socketTimeoutMS: 30_000,
    maxPoolSize: options.maxPoolSize ?? 20,
    retryWrites: true,
    retryReads: true,
    writeConcern: { w: 'majority' as const },
    readConcern: { level: 'majority' as const },
    autoCreate: false,
    autoIndex: false,
    bufferCommands: false,
  };
  connection.on('error', () => undefined);
  const models = defineModels(connection);
  let closed = false;
  let opening: Promise<void> | undefined;

  /** Until the first connection stands; from then on the driver finds the server again by itself. */
  async function connectForever(): Promise<void> {
    while (!closed) {
      try {
        await connection.openUri(options.url, clientOptions);
        return;
      } catch {
        await sleep(300);
      }
    }
  }
  const first = connectForever();

  async function connected(): Promise<void> {
    opening ??= Promise.race([
      first,
      sleep(options.serverSelectionMs ?? 3000).then(() => {
        if (connection.readyState !== 1) throw new StoreUnavailable(undefined);
      }),
    ]).finally(() => (opening = undefined));
    await opening;
  }

  return {
    ...models,
    connection,
    connected,
    async prepare() {
      await first;
      await Promise.all(
        (Object.values(models) as mongoose.Model<unknown>[]).map(async (model) => {
          await model.createCollection().catch((error: { codeName?: string }) => {
            if (error.codeName !== 'NamespaceExists') throw error;
          });
          await model.createIndexes();
        }),
      );
    },
    async ping() {
      try {
        await connection.db?.command({ ping: 1 }, { timeoutMS: 2000 });
        return connection.readyState === 1;
      } catch {
        return false;
      }
    },
    async transaction(work) {
      for (let attempt = 1; ; attempt++) {
        const session = await connection.startSession();
        try {
          session.startTransaction({ readConcern: { level: 'snapshot' }, writeConcern: { w: 'majority' } });
          const result = await work(session);
          await commit(session);
          return result;
        } catch (error) {
          if (session.inTransaction()) await session.abortTransaction().catch(() => undefined);
          if (attempt >= MAX_TRIES || !metAnotherWriter(error)) throw error;
          await sleep(Math.random() * Math.min(200, 5 * attempt));
        } finally {
          await session.endSession().catch(() => undefined);
        }
      }
    },
    async close() {
      closed = true;
      await connection.close();
    },
  };
}

/** The database that a connection string names, if any. */
const databaseOf = (url: string): string | undefined =>
  /^mongodb(?:\+srv)?:\/\/[^/]+\/([^?]+)/.exec(url)?.[1];

async function commit(session: ClientSession): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await session.commitTransaction();
    } catch (error) {
      if (attempt >= 5 || !hasLabel(error, 'UnknownTransactionCommitResult')) throw error;
    }
  }
}

const hasLabel = (error: unknown, label: string): boolean =>
  error instanceof mongoose.mongo.MongoError && error.hasErrorLabel(label);

/** Whether this error is the answer "somebody else was first": the work is to be done again. */
export const metAnotherWriter = (error: unknown): boolean =>
  hasLabel(error, 'TransientTransactionError') || isDuplicateKey(error);

export const isDuplicateKey = (error: unknown): boolean =>
  error instanceof mongoose.mongo.MongoError && error.code === 11000;

/** The database does not answer. Nothing of the operation is known to have happened. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
  constructor(cause: unknown) {
    super('the database does not answer', { cause });
  }
}

/** What the driver lets through as it is when the server goes away in the middle of a command. */
const SOCKET_ERRORS: ReadonlySet<string> = new Set(['EPIPE', 'ECONNRESET', 'ECONNREFUSED', 'ETIMEDOUT']);

/** Whether an error means that the database is out of reach, rather than that the operation was wrong. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof StoreUnavailable) return true;
  if (SOCKET_ERRORS.has(String((error as { code?: unknown } | null)?.code))) return true;
  if (
    error instanceof mongoose.mongo.MongoServerSelectionError ||
    error instanceof mongoose.mongo.MongoNetworkError
  )
    return true;
  if (
    error instanceof mongoose.mongo.MongoNotConnectedError ||
    error instanceof mongoose.mongo.MongoTopologyClosedError
  )
    return true;
  if (error instanceof mongoose.mongo.MongoServerError)
    return (
      error.hasErrorLabel('RetryableWriteError') ||
      [91, 189, 10107, 11600, 11602, 13435, 13436].includes(Number(error.code))
    );
  return (
    error instanceof mongoose.MongooseError &&
    /initial connection|buffering|not connected/i.test(error.message)
  );
}

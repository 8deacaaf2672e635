export { decodeDataUrl } from './data-url.ts';
export type { DataUrl } from './data-url.ts';
export { imageSize } from './dimensions.ts';
export type { ImageSize } from './dimensions.ts';
export type { FileBody, Received, ReceiveOptions } from './receive.ts';
export { sniffImage } from './sniff.ts';
export type { SniffedImage } from './sniff.ts';
export { createFileStore } from './store.ts';
export type { FileKind, FileStore, FileStoreOptions, StoredFile } from './store.ts';

import type { Item } from '@magpie/contracts';
import type { ItemDocument } from './documents.ts';

/** Where a kept file is served. @param base public address of nginx, without a slash at its end */
export const fileUrl = (base: string, path: string): string => `${base}/files/${path}`;

/**
 * An item as the API shows it and as it is exported: whole, but for what is the platform's own.
 * @param base public address of nginx, without a slash at its end
 */
export const itemView = (item: ItemDocument, base: string): Item => ({
  id: item._id,
  kind: item.kind,
  url: item.url,
  finalUrl: item.finalUrl,
  page: item.page,
  source: item.source,
  data: item.data,
  file:
    item.file === undefined
      ? null
      : {
          url: fileUrl(base, item.file.path),
          type: item.file.type,
          bytes: item.file.bytes,
          sha256: item.file.sha256,
          width: item.file.width ?? null,
          height: item.file.height ?? null,
        },
  revision: item.revision,
  storedAt: item.storedAt.toISOString(),
  checkedAt: item.checkedAt.toISOString(),
});

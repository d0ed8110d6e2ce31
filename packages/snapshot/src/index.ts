// @wrenn/snapshot: saved machines on disk. Maps of pages, diffs, the store, shared memory images.
export { type CompactOptions, compactSnapshot } from "./compact/compact.ts";
export {
  type BuildUse,
  buildsToRewrite,
  COMPACT_POLICY,
  type CompactPolicy,
  layersToMerge,
} from "./compact/policy.ts";
export { type MergeHelp, type MergeLayersOptions, mergeLayers } from "./disk/merge-layers.ts";
export { checkLayer } from "./disk/qcow2-header.ts";
export { decodeHeader, encodeHeader, type Header } from "./header/header.ts";
export {
  type ImageFile,
  type MemoryImage,
  MemoryImages,
  type MemoryImagesOptions,
} from "./image/memory-images.ts";
export {
  type DiskLayerRef,
  isSnapshotId,
  MAX_DISK_LAYERS,
  type Manifest,
  type SnapshotFacts,
  type SnapshotFile,
  type TscFacts,
  tscOf,
} from "./manifest/manifest.ts";
export { difference } from "./mapping/difference.ts";
export { livePages } from "./mapping/live.ts";
export { lookUp, slice } from "./mapping/look-up.ts";
export { merge } from "./mapping/merge.ts";
export { isFlat, type PageMap, pageMap, type Segment, segments, zeroMap } from "./mapping/page-map.ts";
export { PageSource } from "./pages/page-source.ts";
export type { ReadableMemory, StoredPages } from "./pages/store-pages.ts";
export type { Piece } from "./pages/visit-pages.ts";
export { lazyPagesRef, openLazyPages, type SnapshotPagesData } from "./serve/snapshot-pages.ts";
export type { Draft } from "./store/draft.ts";
export type { Need, Root } from "./store/needs.ts";
export { type Origin, type Snapshot, SnapshotStore, type Usage } from "./store/store.ts";
export type { WrittenFiles } from "./store/written-files.ts";

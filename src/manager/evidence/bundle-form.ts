// The form of a bundle, known to who makes one and to who checks one.

export const bundleIndexName = 'index.json';
/** DSSE payload type of the index. */
export const bundleIndexType = 'application/vnd.plumbline.evidence-index+json';
/** Of the index with its signature; the rest of a bundle may have any size. */
export const bundleIndexBytesMax = 128 * 1024 * 1024;

/**
 * From a response's bytes to its text, by all means.
 *
 * Requests ask for no compression, and something in between may compress anyway, or break off.
 * What has arrived may be the only copy of new tokens, so whatever can be read of it is read.
 */

import zlib from "node:zlib";

const GZIP_MAGIC = Buffer.from([0x1f, 0x8b]);
const ZSTD_MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

type Decompress = (bytes: Uint8Array, maxOutputLength: number) => Uint8Array;

/** Each gives what it can of a stream that was cut. */
const gunzip: Decompress = (bytes, maxOutputLength) =>
  zlib.gunzipSync(bytes, { maxOutputLength, finishFlush: zlib.constants.Z_SYNC_FLUSH });

const inflate: Decompress = (bytes, maxOutputLength) => {
  const options = { maxOutputLength, finishFlush: zlib.constants.Z_SYNC_FLUSH };
  try {
    return zlib.inflateSync(bytes, options);
  } catch {
    // Some servers leave the zlib header out (RFC 9110, section 8.4.1.2).
    return zlib.inflateRawSync(bytes, options);
  }
};

const CODINGS: Readonly<Record<string, Decompress>> = {
  gzip: gunzip,
  "x-gzip": gunzip,
  deflate: inflate,
  br: (bytes, maxOutputLength) =>
    zlib.brotliDecompressSync(bytes, {
      maxOutputLength,
      finishFlush: zlib.constants.BROTLI_OPERATION_FLUSH,
    }),
  zstd: (bytes, maxOutputLength) =>
    zlib.zstdDecompressSync(bytes, { maxOutputLength, finishFlush: zlib.constants.ZSTD_e_flush }),
};

function startsWith(bytes: Uint8Array, magic: Uint8Array): boolean {
  return magic.every((byte, index) => bytes[index] === byte);
}

/** The codings to undo, the last one first; bytes that are plainly compressed need no header. */
function codingsOf(contentEncoding: string, bytes: Uint8Array): string[] {
  const named = contentEncoding
    .split(",")
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== "" && coding !== "identity")
    .toReversed();
  if (named.length > 0) {
    return named;
  }
  if (startsWith(bytes, GZIP_MAGIC)) {
    return ["gzip"];
  }
  return startsWith(bytes, ZSTD_MAGIC) ? ["zstd"] : [];
}

function decompress(bytes: Uint8Array, contentEncoding: string, maxBytes: number): Uint8Array {
  let plain = bytes;
  for (const coding of codingsOf(contentEncoding, bytes)) {
    try {
      plain = CODINGS[coding]?.(plain, maxBytes) ?? plain;
    } catch {
      // The header may lie.
    }
  }
  return plain;
}

/** Decodes text with its byte order mark, UTF-8 without one. */
function toText(bytes: Uint8Array): string {
  const [first, second] = bytes;
  const encoding =
    first === 0xff && second === 0xfe
      ? "utf-16le"
      : first === 0xfe && second === 0xff
        ? "utf-16be"
        : "utf-8";
  return new TextDecoder(encoding).decode(bytes);
}

/**
 * The text of a response.
 *
 * @param contentEncoding - the header of that name (RFC 9110, section 8.4)
 * @param maxBytes - limit for the decompressed text; beyond it the bytes are taken as they are
 */
export function decodeBody(bytes: Uint8Array, contentEncoding: string, maxBytes: number): string {
  return toText(decompress(bytes, contentEncoding, maxBytes));
}

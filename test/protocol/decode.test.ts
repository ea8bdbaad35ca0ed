/** A response's bytes, whole, cut or swollen, and the text that is read of them. */
import zlib from "node:zlib";
import { describe, expect, it } from "vitest";
import { decodeBody } from "../../src/protocol/decode.ts";

const LIMIT = 1_000_000;
const TEXT = `{"access_token":"${"x".repeat(40)}"}`;
/** Text that no coding shrinks to a few bytes, so that a cut leaves a part of it. */
const LONG = Array.from({ length: 2_000 }, (_none, index) => String(index * 7_919)).join(",");

const COMPRESS: Readonly<Record<string, (text: string | Uint8Array) => Buffer>> = {
  gzip: zlib.gzipSync,
  "x-gzip": zlib.gzipSync,
  deflate: zlib.deflateSync,
  br: zlib.brotliCompressSync,
  zstd: zlib.zstdCompressSync,
};

describe.each(Object.entries(COMPRESS))("a body in %s", (coding, compress) => {
  it("is read whole", () => {
    expect(decodeBody(compress(TEXT), coding, LIMIT)).toBe(TEXT);
  });

  it("is taken as it is when it would grow beyond the limit", () => {
    const bomb = compress(Buffer.alloc(LIMIT + 1, "a"));
    expect(decodeBody(bomb, coding, LIMIT)).toBe(new TextDecoder().decode(bomb));
    expect(decodeBody(compress(Buffer.alloc(LIMIT, "a")), coding, LIMIT)).toHaveLength(LIMIT);
  });
});

describe("a body that was cut", () => {
  it.each(["gzip", "deflate", "br"])("in %s is read as far as it goes", (coding) => {
    const whole = COMPRESS[coding]?.(LONG) ?? Buffer.alloc(0);
    const text = decodeBody(whole.subarray(0, whole.length - 100), coding, LIMIT);
    expect(text.length).toBeGreaterThan(LONG.length / 2);
    expect(LONG.startsWith(text)).toBe(true);
  });

  it("in deflate without a header of its own is read as far as it goes", () => {
    const whole = zlib.deflateRawSync(LONG);
    const text = decodeBody(whole.subarray(0, whole.length - 100), "deflate", LIMIT);
    expect(text.length).toBeGreaterThan(LONG.length / 2);
    expect(LONG.startsWith(text)).toBe(true);
  });

  it("in zstd is read as far as its whole blocks go", () => {
    // zstd holds a block back until it is complete; the first of these two is.
    const text = Buffer.from(LONG.repeat(20).slice(0, 200_000));
    const whole = zlib.zstdCompressSync(text);
    const read = decodeBody(whole.subarray(0, whole.length - 1), "zstd", LIMIT);
    expect(read.length).toBeGreaterThanOrEqual(128 * 1024);
    expect(text.toString().startsWith(read)).toBe(true);
  });
});

describe("a body without a named coding", () => {
  it("is unpacked only where its first bytes are those of a coding", () => {
    expect(decodeBody(zlib.gzipSync(TEXT), "", LIMIT)).toBe(TEXT);
    expect(decodeBody(zlib.zstdCompressSync(TEXT), " , identity", LIMIT)).toBe(TEXT);
    expect(decodeBody(Buffer.from(TEXT), "", LIMIT)).toBe(TEXT);
    expect(decodeBody(new Uint8Array(0), "", LIMIT)).toBe("");
  });

  it.each([
    ["the first byte of gzip", [0x1f, 0x41, 0x42]],
    ["the second byte of gzip", [0x41, 0x8b, 0x42]],
    ["three bytes of zstd", [0x28, 0xb5, 0x2f, 0x41]],
  ])("that has only %s is text", (_what, bytes) => {
    const text = Buffer.from(bytes);
    expect(decodeBody(text, "", LIMIT)).toBe(new TextDecoder().decode(text));
  });
});

describe("text", () => {
  it.each<[string, number[], string]>([
    ["UTF-16 with its small end first", [0xff, 0xfe, 0x41, 0x00], "A"],
    ["UTF-16 with its big end first", [0xfe, 0xff, 0x00, 0x41], "A"],
    ["UTF-8 with a mark", [0xef, 0xbb, 0xbf, 0x41], "A"],
    ["a first byte of UTF-16's mark alone", [0xff, 0x41], "\uFFFDA"],
    ["the other first byte of UTF-16's mark alone", [0xfe, 0x41], "\uFFFDA"],
    ["a second byte of UTF-16's mark alone", [0x41, 0xfe], "A\uFFFD"],
    ["the other second byte of UTF-16's mark alone", [0x41, 0xff], "A\uFFFD"],
  ])("with %s is read by its byte order mark", (_what, bytes, wanted) => {
    expect(decodeBody(Uint8Array.from(bytes), "", LIMIT)).toBe(wanted);
  });

  it("in a coding that nobody knows, or that is not what the header says, is taken as it is", () => {
    expect(decodeBody(Buffer.from(TEXT), "aws-chunked", LIMIT)).toBe(TEXT);
    expect(decodeBody(Buffer.from(TEXT), "gzip", LIMIT)).toBe(TEXT);
    const twice = zlib.gzipSync(zlib.gzipSync(TEXT));
    expect(decodeBody(twice, "aws-chunked, GZIP , x-gzip", LIMIT)).toBe(TEXT);
  });
});

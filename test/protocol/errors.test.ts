import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { isKimiError, KimiError, systemErrorCode } from "../../src/protocol/errors.ts";

/** An error below that many others. */
function below(depth: number, cause: unknown): Error {
  return depth === 0
    ? new Error("top", { cause })
    : new Error(`level ${String(depth)}`, { cause: below(depth - 1, cause) });
}

describe("the system's code of an error", () => {
  it("is found along its causes, up to five of them", async () => {
    const missing: unknown = await readFile("/nonexistent/at/all").catch((error: unknown) => error);
    expect(systemErrorCode(missing)).toBe("ENOENT");
    expect(systemErrorCode(below(0, missing))).toBe("ENOENT");
    expect(systemErrorCode(below(3, missing))).toBe("ENOENT");
    expect(systemErrorCode(below(4, missing))).toBeUndefined();
  });

  it("is found in the first of several errors", async () => {
    const tries = ["/nonexistent/a", "/nonexistent/b"].map((file) => readFile(file));
    const all: unknown = await Promise.any(tries).catch((error: unknown) => error);
    expect(all).toBeInstanceOf(AggregateError);
    expect(systemErrorCode(all)).toBe("ENOENT");
    const cause = Object.assign(new Error("io"), { code: "EIO" });
    expect(systemErrorCode(new AggregateError([], "none", { cause }))).toBe("EIO");
  });

  it("is unknown where the code is no text, and for what is no error", () => {
    expect(systemErrorCode(Object.assign(new Error("odd"), { code: 7 }))).toBeUndefined();
    expect(systemErrorCode({ code: "ENOENT" })).toBeUndefined();
    expect(systemErrorCode(undefined)).toBeUndefined();
  });
});

describe("a KimiError", () => {
  it.each([
    ["home_busy", true],
    ["home_unavailable", true],
    ["network", true],
    ["server_unavailable", true],
    ["rate_limited", true],
    ["bad_reply", true],
    ["refused", true],
    ["aborted", true],
    ["login_missing", false],
    ["login_unreadable", false],
    ["login_corrupt", false],
    ["login_revoked", false],
    ["login_ended", false],
    ["account_changed", false],
    ["home_not_writable", false],
    ["sign_in_denied", false],
    ["sign_in_expired", false],
    ["endpoint_invalid", false],
  ] as const)("%s can work later by itself: %s", (code, transient) => {
    expect(new KimiError(code, "a message").transient).toBe(transient);
  });

  it("is known by its name and code, also from another copy of the plugin", () => {
    const other = Object.assign(new Error("a message"), { name: "KimiError", code: "network" });
    expect(isKimiError(new KimiError("network", "a message"))).toBe(true);
    expect(isKimiError(other)).toBe(true);
    expect(isKimiError(Object.assign(new Error("a message"), { name: "KimiError" }))).toBe(false);
    expect(isKimiError(Object.assign(new Error("a message"), { code: "network" }))).toBe(false);
    expect(isKimiError({ name: "KimiError", code: "network" })).toBe(false);
  });
});

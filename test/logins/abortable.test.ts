import { getEventListeners } from "node:events";
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { abortable } from "../../src/logins/abortable.ts";

describe("waiting for work", () => {
  it("gives what the work gives, and leaves nothing on the signal", async () => {
    const { signal } = new AbortController();
    expect(await abortable(Promise.resolve(7), undefined)).toBe(7);
    expect(await abortable(Promise.resolve(7), signal)).toBe(7);
    const failed = new Error("failed");
    await expect(abortable(Promise.reject(failed), signal)).rejects.toBe(failed);
    await turn();
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  it("ends with the reason of a signal that fires, also of one that has fired before", async () => {
    const reason = new Error("cancelled");
    const controller = new AbortController();
    const waiting = abortable(new Promise(() => undefined), controller.signal);
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    const fired = abortable(Promise.resolve(7), controller.signal);
    await expect(fired).rejects.toBe(reason);
  });

  it("that fails after the caller has gone does not end the process", async () => {
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => {
      unhandled.push(error);
    };
    process.on("unhandledRejection", note);
    try {
      const { promise, reject } = Promise.withResolvers<never>();
      const reason = new Error("cancelled");
      await expect(abortable(promise, AbortSignal.abort(reason))).rejects.toBe(reason);
      reject(new Error("too late"));
      // Node tells of a rejection once the turn in which it happened is over.
      await turn();
      await turn();
      expect(unhandled).toEqual([]);
    } finally {
      process.off("unhandledRejection", note);
    }
  });
});

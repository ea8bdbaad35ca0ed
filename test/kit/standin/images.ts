/** The rule for the size of an image, the same on all three chat protocols. */
import { isRecord } from "../../../src/json.ts";
import { badRequest } from "./bodies.ts";
import type { Answer } from "./bodies.ts";

/**
 * Not known of Kimi: both CLIs keep what they send inline below it. The text is that of Anthropic's API (gptme/gptme#185),
 * whose form one of Kimi's routes has, and which the plugin and OpenClaw read.
 */
const MAX_IMAGE_BYTES = 5 * 1024 * 1024;

function bytesOf(base64: string): number {
  return Math.floor((base64.length * 3) / 4);
}

function isTooLarge(value: unknown): boolean {
  if (typeof value === "string") {
    return (
      value.startsWith("data:image/") &&
      bytesOf(value.slice(value.indexOf(",") + 1)) > MAX_IMAGE_BYTES
    );
  }
  if (Array.isArray(value)) {
    return value.some(isTooLarge);
  }
  if (!isRecord(value)) {
    return false;
  }
  const { type, data } = value;
  return type === "base64" && typeof data === "string"
    ? bytesOf(data) > MAX_IMAGE_BYTES
    : Object.values(value).some(isTooLarge);
}

/** What is wrong with the images of a request; `undefined` when nothing is. */
export function imageFault(body: unknown): Answer | undefined {
  return isTooLarge(body) ? badRequest("image exceeds 5 MB maximum") : undefined;
}

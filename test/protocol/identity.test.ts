import os from "node:os";
import { afterEach, describe, expect, it, vi } from "vitest";
import { PLUGIN_VERSION } from "../../src/constants.ts";
import { identityHeaders } from "../../src/protocol/identity.ts";

describe("the headers that say who asks", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it("name this plugin, its version and this machine", () => {
    expect(identityHeaders("device-1")).toEqual({
      "User-Agent": `kimi-code-oauth/${PLUGIN_VERSION} (OpenClaw)`,
      "X-Msh-Platform": "kimi_code_oauth",
      "X-Msh-Version": PLUGIN_VERSION,
      "X-Msh-Device-Name": os.hostname(),
      "X-Msh-Device-Model": `${os.type()} ${os.release()} ${os.arch()}`,
      "X-Msh-Os-Version": os.release(),
      "X-Msh-Device-Id": "device-1",
    });
  });

  it("leave the device out where it is not known", () => {
    expect(Object.keys(identityHeaders(undefined))).not.toContain("X-Msh-Device-Id");
  });

  it("say what Kimi has told the user to say", () => {
    expect(identityHeaders(undefined, { product: "agent/2.5", platform: "agent" })).toMatchObject({
      "User-Agent": "agent/2.5",
      "X-Msh-Platform": "agent",
      "X-Msh-Version": "2.5",
    });
    expect(identityHeaders(undefined, { product: "agent" })).toMatchObject({
      "User-Agent": "agent",
      "X-Msh-Version": PLUGIN_VERSION,
    });
  });

  it.each([
    ["Anna's Mac 电脑", "Anna's Mac"],
    ["  a\r\nX-Injected: b ", "aX-Injected: b"],
    ["电脑", "unknown"],
    ["", "unknown"],
    ["~ !", "~ !"],
    ["a\u007fb\u001fc", "abc"],
  ])("hold printable ASCII only: %j becomes %j", (name, safe) => {
    vi.spyOn(os, "hostname").mockReturnValue(name);
    expect(identityHeaders(name)).toMatchObject({
      "X-Msh-Device-Name": safe,
      "X-Msh-Device-Id": safe,
    });
  });
});

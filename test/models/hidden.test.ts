import { describe, expect, it } from "vitest";
import { isHidden, settingsOf } from "../../src/host/settings.ts";

const config = (hideModels: unknown) => ({
  plugins: { entries: { "kimi-code-oauth": { config: { hideModels } } } },
});

describe("a model that the user hides", () => {
  it.each([
    [["k3"], ["k3"]],
    [["kimi-code/k3"], ["k3"]],
    [
      ["kimi-code/k3", " k3-256k "],
      ["k3", "k3-256k"],
    ],
    [["moonshot/k3", "K3"], []],
    ["k3", []],
    [undefined, []],
  ])("with %j is one of %j", (hideModels, hidden) => {
    const settings = settingsOf(config(hideModels));
    expect(["k3", "k3-256k", "k"].filter((id) => isHidden(id, settings))).toEqual(hidden);
  });
});

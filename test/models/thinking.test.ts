import { describe, expect, it } from "vitest";
import { type ModelThinking, staticModel } from "../../src/models/models.ts";
import { thinkingProfile, thinkingRequest } from "../../src/models/thinking.ts";

const K3: ModelThinking = { mode: "always", efforts: ["low", "high", "max"], defaultEffort: "max" };
const TOGGLE: ModelThinking = { ...K3, mode: "toggle", defaultEffort: "high" };
const BARE_ALWAYS: ModelThinking = { mode: "always", efforts: [] };
const BARE_TOGGLE: ModelThinking = { mode: "toggle", efforts: [] };
const WORDLESS: ModelThinking = {
  mode: "always",
  efforts: ["high", "turbo"],
  defaultEffort: "turbo",
};
const ONLY_WORDLESS: ModelThinking = { ...WORDLESS, efforts: ["turbo"] };
const NONE: ModelThinking = { mode: "none", efforts: [] };

describe("what /think offers", () => {
  it.each([
    ["k3, which cannot be off", K3, ["low", "high", "max"], "max"],
    ["a model that can be off", TOGGLE, ["off", "low", "high", "max"], "high"],
    ["a model that only knows on", BARE_ALWAYS, ["low=on"], "low"],
    ["a model that knows on and off", BARE_TOGGLE, ["off", "low=on"], "low"],
    ["a model that cannot think", NONE, ["off"], "off"],
    [
      "efforts in any order, without a default",
      { mode: "always", efforts: ["max", "low", "medium"] },
      ["low", "medium", "max"],
      "medium",
    ],
    [
      "efforts of which the host has no word for one",
      { mode: "always", efforts: ["turbo", "high"] },
      ["high"],
      "high",
    ],
    [
      "a default that the host has no word for",
      { mode: "always", efforts: ["turbo", "high"], defaultEffort: "turbo" },
      ["high", "adaptive=turbo"],
      "adaptive",
    ],
    [
      "efforts that the host has no words for",
      { mode: "always", efforts: ["turbo"], defaultEffort: "turbo" },
      ["low=on"],
      "low",
    ],
  ] as const)("for %s", (_what, thinking, levels, defaultLevel) => {
    const profile = thinkingProfile({ thinking });
    expect(
      profile.levels.map(({ id, label }) => (label === undefined ? id : `${id}=${label}`)),
    ).toEqual(levels);
    expect(profile.defaultLevel).toBe(defaultLevel);
  });

  it.each([
    ["k3", ["low", "high", "max", "adaptive=auto"]],
    ["kimi-for-coding", ["low=on", "adaptive=auto"]],
    ["new", ["low=on", "adaptive=auto"]],
  ])("for %s leaves the effort to the account until its list is there", (id, levels) => {
    const profile = thinkingProfile(staticModel(id));
    expect(
      profile.levels.map((level) =>
        level.label === undefined ? level.id : `${level.id}=${level.label}`,
      ),
    ).toEqual(levels);
    expect(profile.defaultLevel).toBe("adaptive");
  });
});

describe("what a level asks of the server", () => {
  it.each([
    [K3, "low", { on: true, effort: "low" }],
    [K3, "high", { on: true, effort: "high" }],
    [K3, "max", { on: true, effort: "max" }],
    [K3, "medium", { on: true, effort: "low" }],
    [K3, "xhigh", { on: true, effort: "high" }],
    [K3, "minimal", { on: true, effort: "low" }],
    [K3, "off", { on: true, effort: "low" }],
    [K3, undefined, { on: true, effort: "low" }],
    [K3, "adaptive", { on: true, effort: "max" }],
    [TOGGLE, "adaptive", { on: true, effort: "high" }],
    [{ ...K3, defaultEffort: undefined }, "adaptive", { on: true }],
    [WORDLESS, "adaptive", { on: true, effort: "turbo" }],
    [WORDLESS, "high", { on: true, effort: "high" }],
    [ONLY_WORDLESS, "low", { on: true, effort: "turbo" }],
    [BARE_ALWAYS, "adaptive", { on: true }],
    [K3, "ultra", { on: true, effort: "max" }],
    [TOGGLE, "off", { on: false }],
    [TOGGLE, "none", { on: false }],
    [TOGGLE, undefined, { on: false }],
    [TOGGLE, "max", { on: true, effort: "max" }],
    [BARE_ALWAYS, "off", { on: true }],
    [BARE_ALWAYS, "max", { on: true }],
    [BARE_TOGGLE, "off", { on: false }],
    [BARE_TOGGLE, "low", { on: true }],
    [NONE, "max", undefined],
    [NONE, "off", undefined],
  ] as const)("of a model with %j at level %j", (thinking, level, wish) => {
    expect(thinkingRequest(thinking, level)).toEqual(wish);
  });
});

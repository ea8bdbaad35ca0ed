import { describe, expect, it } from "vitest";
import { CallIds } from "../../src/inference/call-ids.ts";

/** The ids that these calls get, each with its result at once. */
function given(...ids: string[]): string[] {
  const all = new CallIds();
  return ids.map((id) => {
    const call = all.call(id);
    expect(all.result(id)).toBe(call);
    return call;
  });
}

const LONG = "functions.mcp__a_server_with_a_long_name__a_tool_with_a_long_name_too";

describe("the ids of tool calls", () => {
  it.each([
    ["safe ones stay", ["call_1", "a-b"], ["call_1", "a-b"]],
    ["unsafe ones become safe", ["functions.exec:0"], ["functions_exec_0"]],
    ["those that become equal stay apart", ["a.b", "a:b", "a_b"], ["a_b", "a_b_2", "a_b_3"]],
    ["one that comes again gets a number", ["exec:0", "exec:0"], ["exec_0", "exec_0_2"]],
    ["an empty one gets a name", ["", ""], ["tool_call", "tool_call_2"]],
  ])("%s", (_what, ids, expected) => {
    expect(given(...ids)).toEqual(expected);
  });

  it("stay apart when they are cut", () => {
    const cut = given(`${LONG}:0`, `${LONG}:1`, `${LONG}:10`);
    expect(new Set(cut).size).toBe(3);
    expect(cut.every((id) => /^[\w-]{1,64}$/.test(id))).toBe(true);
  });

  it("do not change when the conversation goes on", () => {
    const before = given("a.b", "c");
    expect(given("a.b", "c", "a_b", "c").slice(0, 2)).toEqual(before);
  });

  it("lead each result to its call, in the order of the calls", () => {
    const ids = new CallIds();
    const calls = [ids.call("x:0"), ids.call("x.0"), ids.call("x:0")];
    expect([ids.result("x.0"), ids.result("x:0"), ids.result("x:0")]).toEqual([
      calls[1],
      calls[0],
      calls[2],
    ]);
    expect(ids.result("lost:1")).toBe("lost_1");
  });
});

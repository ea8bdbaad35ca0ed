/** The check against the real Kimi finds each way in which Kimi could differ from what is known of it. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CHECKS } from "../../scripts/live/checks/index.ts";
import { EXIT } from "../../scripts/live/run.ts";
import { live, liveOptions, modelsOfAllProtocols } from "../kit/live.ts";
import { ALL_DEVIATIONS, deviate, type Deviation } from "../kit/standin/deviations.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";

let standIn: StandIn;

beforeEach(async () => {
  standIn = await startStandIn();
  standIn.account().models = modelsOfAllProtocols();
});

afterEach(async () => {
  await standIn.close();
});

/** What each deviation makes differ, and nothing else. */
const FOUND_BY: Readonly<Record<Deviation, readonly string[]>> = {
  "the identity is refused on chat": ["identity.chat"],
  "the identity is refused on messages": ["identity.messages"],
  "responses are not served": ["identity.responses"],
  "cached tokens in another place": ["usage.cached"],
  "the whole context is too much output": ["limits.output"],
  "thinking does not count as output": ["limits.thinking"],
  "an effort of the list is refused": ["thinking.efforts"],
  "any effort is taken": ["thinking.unknown-effort"],
  "reasoning is not needed on chat": ["thinking.chat-lost"],
  // The histories for the ids of calls have such reasoning, too, and are refused for it.
  "empty reasoning is refused on chat": ["thinking.chat-empty", "tools.call-ids"],
  "a thought is not needed on messages": ["thinking.messages-lost"],
  "a thought of one sign is refused on messages": ["thinking.messages-sign"],
  "a forced call is taken while thinking": ["thinking.forced-call"],
  "K3 refuses a forced call": ["thinking.forced-k3"],
  "a bad tool schema is taken": ["tools.refused", "errors.schema"],
  "a bad tool schema is refused in other words": ["tools.refused"],
  "a good tool schema is refused on chat": ["tools.converted-chat"],
  "a good tool schema is refused on messages": ["tools.converted-messages"],
  "a root without a type is taken": ["tools.root"],
  "several conditions are taken": ["tools.several-if"],
  "a short name of a tool is taken": ["tools.names"],
  "a call without a result is taken": ["tools.call-ids"],
  "a large image is taken": ["errors.image"],
  "a long text is taken": ["errors.size"],
  "no messages are taken": ["errors.empty"],
  "any content type is taken": ["errors.content-type"],
  "an error body in another field": ["errors.model"],
  "an error on messages as on chat": ["errors.messages"],
  "another status for a bearer on chat": ["errors.bearer-chat"],
  "another status for a bearer on messages": ["errors.bearer-messages"],
  "no lifetime of a device code": ["device.reply"],
  "another status while the user decides": ["device.pending"],
  "no rotation": ["token.rotation", "token.reuse"],
  "a used refresh token is taken": ["token.reuse"],
  "a used refresh token ends the login": ["token.reuse-ends"],
  "a refresh ends the old access token": ["token.old-access"],
  "another lifetime": ["token.lifetime"],
  "no lifetime": ["token.reply", "token.lifetime"],
  "another word for invalid_grant": ["token.invalid-grant"],
  "a member of a model's row is gone": ["models.members"],
  "an unknown protocol": ["models.protocol"],
  "efforts in another form": ["models.efforts"],
  "a context in words": ["models.list", "models.context"],
  "another usages shape": ["account.usages"],
  "no user id": ["account.me"],
  "another status for a bearer on me": ["errors.bearer-me"],
  "search results under another name": ["web.search"],
  "a page in JSON": ["web.fetch"],
  "no upload": ["files.upload"],
  "an uploaded file is refused on chat": ["files.chat"],
  "an uploaded file is refused on messages": ["files.messages"],
  "an unknown file is refused in words about nothing": ["files.unknown"],
};

describe("against a Kimi that is different", () => {
  it("each check can fail", () => {
    const found = new Set(Object.values(FOUND_BY).flat());
    expect(CHECKS.map(({ id }) => id).filter((id) => !found.has(id))).toEqual([]);
  });

  it.each(ALL_DEVIATIONS)("finds: %s", async (deviation) => {
    deviate(standIn, deviation);
    const run = await live(standIn, liveOptions({ device: true, spend: true }));
    const differing = CHECKS.filter(({ id }) => run.verdicts[id] === "**differs**");
    expect(differing.map(({ id }) => id)).toEqual(FOUND_BY[deviation]);
    expect(run.code).toBe(EXIT.differs);
    expect(Object.keys(run.verdicts)).toHaveLength(CHECKS.length);
  });

  it("names the tool that is refused, and how an identity is refused", async () => {
    deviate(standIn, "a good tool schema is refused on chat");
    deviate(standIn, "the identity is refused on messages");
    const { out } = await live(standIn, liveOptions({ device: true }));
    expect(out).toMatch(/tools\.converted-chat.*refused: recursive \$defs list \| \*\*differs/u);
    expect(out).toMatch(
      /identity\.messages.*403 access_terminated_error: "Kimi For Coding is currently only available/u,
    );
  });
});

/** The three protocols: whether Kimi serves this plugin under its own name, and what the answers say. */

import { isRecord, listOf } from "../../../src/json.ts";
import {
  chatCall,
  eventsOf,
  isStream,
  messagesCall,
  modelFor,
  responsesCall,
  thinkingLevel,
  thinkingModel,
} from "../bodies.ts";
import { type Check, notChecked, type Seen, verdict } from "../check.ts";
import { type Answer, describe, isUnrelated, Unavailable } from "../kimi.ts";

const NO_MODEL = notChecked("the account has no model for it");

/** Who may not come is the fact itself here; any other answer about the account says nothing. */
function served(answer: Answer): Seen {
  if (isUnrelated(answer) && answer.kind !== "identity_refused" && answer.kind !== "banned") {
    throw new Unavailable(describe(answer));
  }
  return isStream(answer)
    ? verdict(true, "200, a stream of events")
    : verdict(false, answer.status === 200 ? "200, no stream of events" : describe(answer));
}

/** Usage in the events of a chat completion: at the top, or in the choice that ends. */
function usageOf(answer: Answer): Readonly<Record<string, unknown>> | undefined {
  return eventsOf(answer)
    .flatMap((event) =>
      isRecord(event)
        ? [
            event.usage,
            ...listOf(event.choices).map((choice) => (isRecord(choice) ? choice.usage : undefined)),
          ]
        : [],
    )
    .findLast(isRecord);
}

/** What a chat completion said and thought, and why it ended. */
function textOf(answer: Answer): {
  readonly text: string;
  readonly thought: string;
  readonly end: string;
} {
  let text = "";
  let thought = "";
  let end = "";
  for (const event of eventsOf(answer)) {
    for (const choice of isRecord(event) ? listOf(event.choices) : []) {
      if (isRecord(choice) && isRecord(choice.delta)) {
        const { content, reasoning_content: reasoning } = choice.delta;
        text += typeof content === "string" ? content : "";
        thought += typeof reasoning === "string" ? reasoning : "";
        end = typeof choice.finish_reason === "string" ? choice.finish_reason : end;
      }
    }
  }
  return { text, thought, end };
}

export const PROTOCOL_CHECKS: readonly Check[] = [
  {
    id: "identity.chat",
    fact: "`POST /chat/completions` serves this plugin under its own name",
    expected: "200, a stream of events",
    assumed: true,
    requests: 1,
    calls: 1,
    run: async (live) => {
      const row = modelFor(live.rows, "chat");
      if (row === undefined) {
        return NO_MODEL;
      }
      const answer = await live.kimi.send(chatCall({ row }));
      if (isStream(answer)) {
        live.chat = answer;
      }
      return served(answer);
    },
  },
  {
    id: "identity.messages",
    fact: "`POST /messages` serves this plugin under its own name",
    expected: "200, a stream of events",
    assumed: true,
    requests: 1,
    calls: 1,
    run: async ({ kimi, rows }) => {
      const row = modelFor(rows, "messages");
      return row === undefined ? NO_MODEL : served(await kimi.send(messagesCall({ row })));
    },
  },
  {
    id: "identity.responses",
    fact: "`POST /responses` serves this plugin under its own name",
    expected: "200, a stream of events",
    assumed: true,
    requests: 1,
    calls: 1,
    run: async ({ kimi, rows }) => {
      const row = rows.find(({ protocol }) => protocol === "responses");
      return row === undefined
        ? notChecked("no model of the account is spoken to on it")
        : served(await kimi.send(responsesCall({ row })));
    },
  },
  {
    id: "usage.cached",
    fact: "Cached tokens are named at the top level of `usage` on chat",
    expected: "cached_tokens, and not only in prompt_tokens_details",
    requests: 0,
    calls: 0,
    run: async ({ chat }) => {
      const usage = chat === undefined ? undefined : usageOf(chat);
      if (usage === undefined) {
        return chat === undefined ? notChecked("no answer on chat") : verdict(false, "no usage");
      }
      const names = Object.keys(usage).toSorted().join(", ");
      const details = usage.prompt_tokens_details;
      if (!("cached_tokens" in usage) && !(isRecord(details) && "cached_tokens" in details)) {
        return notChecked(`nothing was cached: ${names}`);
      }
      return verdict("cached_tokens" in usage, names);
    },
  },
  {
    id: "limits.output",
    fact: "The output limit may be all that is left of the context",
    expected: "200, a stream of events",
    requests: 1,
    calls: 1,
    run: async ({ kimi, rows }) => {
      const row = modelFor(rows, "chat");
      if (row === undefined) {
        return NO_MODEL;
      }
      const answer = await kimi.ask(chatCall({ row, maxTokens: null }));
      return verdict(
        isStream(answer),
        isStream(answer) ? "200, a stream of events" : describe(answer),
      );
    },
  },
  {
    id: "limits.thinking",
    fact: "Thinking counts as output",
    expected: "cut in the thought by a limit of 8 tokens",
    requests: 1,
    calls: 1,
    run: async ({ kimi, rows }) => {
      const row = thinkingModel(rows, "chat") ?? thinkingModel(rows, "chat", true);
      if (row === undefined) {
        return NO_MODEL;
      }
      const messages = [{ role: "user", content: "Multiply 1234 by 5678 step by step." }];
      const answer = await kimi.ask(
        chatCall({
          row,
          level: thinkingLevel(row),
          messages,
          finish: (body) => ({ ...body, max_completion_tokens: 8 }),
        }),
      );
      if (!isStream(answer)) {
        return verdict(false, describe(answer));
      }
      const { text, thought, end } = textOf(answer);
      const seen = `ended by ${end || "nothing"}, ${thought === "" ? "no thought" : "a thought"}, ${text === "" ? "no text" : "text"}`;
      return verdict(end === "length" && text === "", seen);
    },
  },
];

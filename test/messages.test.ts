import { describe, expect, it } from "vitest";
import { ofProfile, ownerLabel, say, type TransientFailure } from "../src/messages.ts";
import { answerSentences, FACTS, type Id, sentences, webSentences } from "./kit/sentences.ts";

/** What says where things stand on a screen, and asks or offers nothing. */
const LABELS: ReadonlySet<Id> = new Set([
  "oneLogin",
  "readingLogin",
  "usingLogin",
  "loginUnusable",
  "askingForCode",
  "codeSent",
  "codeSentAgain",
  "noCode",
  "codeExpired",
  "approved",
  "notSignedIn",
  "waitingFor",
  "code",
]);
/** Sentences after which a user has nothing to do. */
const COMPLETE: ReadonlySet<Id> = new Set([
  "canceled",
  "keptInMemory",
  "login",
  "fine",
  "usingOneOfSeveral",
  "sharedNow",
  "ownLoginNow",
  "offerWeb",
  "pageCut",
]);
/** What a user can do: a command, a file to change, a wait, another try, an answer to give. */
const WAY_OUT =
  /openclaw |kimi login|try again|sign in again|Sign in |next try|Fix |Correct it|Delete it|Check |Add |Mount |Make |Free |Bring |Update |[Oo]pen this link|Approve it|approve the sign-in|Switch |upgrade|Activate|Contact|Wait |Shorten|Try |report it|use another provider|Turn |Say it |Start a |scan |Run `|\?$/u;

describe("a sentence about one of several profiles", () => {
  const work = {
    profileId: "kimi-code:work",
    isDefault: false,
    label: "Ada",
    isOneOfSeveral: true,
  };

  it("names the account in front, and signs in to that profile", () => {
    expect(
      ofProfile(say.ended({ owner: "openclaw", other: undefined, responseLost: false }), work),
    ).toBe(
      "Kimi account Ada: Kimi has ended this login. Sign in again with: openclaw models auth login --provider kimi-code --device-code --profile-id kimi-code:work",
    );
    expect(ofProfile(say.endedByKimi(), work)).toMatch(
      / --provider kimi-code --profile-id kimi-code:work$/u,
    );
  });

  it("names the profile where Kimi told no name", () => {
    expect(ofProfile(say.canceled(), { ...work, label: undefined })).toBe(
      "Kimi account kimi-code:work: The request was canceled.",
    );
  });

  it("is the same for the only profile", () => {
    const only = {
      ...work,
      profileId: "kimi-code:default",
      isDefault: true,
      isOneOfSeveral: false,
    };
    expect(ofProfile(say.endedByKimi(), only)).toBe(say.endedByKimi());
  });
});

describe("every sentence for users", () => {
  const all = [...sentences(), ...answerSentences(), ...webSentences()];
  const messages = all.filter(([id]) => !LABELS.has(id as Id));

  it.each(messages)("%s is at most 400 characters without its paths: %s", (_id, text) => {
    const shortened = text.replaceAll(/\/home\/\S+/gu, "/path");
    expect(shortened.length).toBeLessThanOrEqual(400);
  });

  it.each(messages)("%s begins with a capital and has an ending: %s", (_id, text) => {
    expect(text).toMatch(/^(?:[A-Z]|auth\.|api\.)/u);
    // A full stop, a question, or a command that can be copied; a way in brackets.
    expect(text).toMatch(
      /(?:[.?:)]|kimi-code|region global|--device-code|--refresh|--usage|restart|doctor|status|--section web|search\.provider)$/u,
    );
    expect(text).not.toMatch(/\.\.|\s\s|undefined|;\s*$|\s$/u);
  });

  it.each(messages.filter(([id]) => !COMPLETE.has(id as Id)))(
    "%s names a way out: %s",
    (_id, text) => {
      expect(text).toMatch(WAY_OUT);
    },
  );

  it.each(all)("%s uses words that users know: %s", (_id, text) => {
    const words = text.replaceAll(/\/home\/\S+/gu, "");
    expect(words).not.toMatch(/\b(?:home|slot|chain|fence|bearer|tombstone|credential)\b/iu);
    expect(words).not.toMatch(/whoever|in vain|anew|meanwhile|for good|all the same|is kept/iu);
  });

  it.each(messages.filter(([, text]) => text.includes("still signed in")))(
    "%s reassures at the end of a sentence: %s",
    (_id, text) => {
      expect(text).toMatch(/; you are still signed in\./u);
    },
  );
});

describe("a sentence about a login that has ended", () => {
  it.each(FACTS.ended)("has no full stop, because OpenClaw goes on after it: %o", (facts) => {
    expect(say.ended(facts)).not.toMatch(/\.$/u);
  });
});

describe("a sentence at a sign-in", () => {
  it.each(sentences().filter(([id]) => FACTS[id].some((facts) => facts.includes(false as never))))(
    "%s says nothing about being signed in when there is no login yet",
    (id) => {
      const atSignIn = FACTS[id].filter((facts) => facts.includes(false as never));
      for (const facts of atSignIn) {
        const failure = (say[id] as (...args: readonly unknown[]) => TransientFailure)(...facts);
        expect(failure.message).not.toContain("still signed in");
        expect(failure.message.startsWith(failure.what)).toBe(true);
      }
    },
  );
});

describe("an owner", () => {
  it("has a name that users know", () => {
    expect(ownerLabel("kimi-cli")).toBe("Kimi CLI (Python)");
    expect(ownerLabel("kimi-code-cli")).toBe("Kimi Code CLI");
    expect(ownerLabel("openclaw")).toBe("OpenClaw");
  });
});

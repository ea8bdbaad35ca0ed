/** The documents say what is so: links, commands, paths, and the messages that they quote. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { documents, hostCommands, isQuotedFrom, quotedRows, quotesOf } from "./kit/documents.ts";
import { projectDir } from "./kit/openclaw/layout.ts";
import { answerSentences, sentences, webSentences } from "./kit/sentences.ts";
import { OF_THE_HOST, WITHOUT_ADVICE } from "./kit/quoted.ts";

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
}

const json = (file: string): unknown =>
  JSON.parse(readFileSync(path.join(projectDir, file), "utf8"));
const { scripts } = json("package.json") as { scripts: Readonly<Record<string, string>> };
const manifest = json("openclaw.plugin.json") as {
  providerAuthChoices: readonly { choiceId: string; method: string }[];
  configSchema: Schema;
};
const all = documents();
const byFile = new Map(all.map((document) => [document.file, document]));
const pieces = all.flatMap(({ file, code }) => code.map((piece) => ({ file, ...piece })));

/** Folders of the project, of its sources and of its tests: a path in a document begins in one of them. */
const places = ["", "src", "test"];
const folders = new Set(
  places.flatMap((place) =>
    readdirSync(path.join(projectDir, place), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name !== "node_modules")
      .map(({ name }) => name),
  ),
);
const names = new Set(
  ["src", "test", "docs", "scripts"].flatMap((folder) =>
    readdirSync(path.join(projectDir, folder), { recursive: true, encoding: "utf8" }).map((file) =>
      path.basename(file),
    ),
  ),
);

function existsHere(name: string): boolean {
  const file = name.replace(/\/?\*?$/u, "");
  return places.some((place) =>
    [file, `${file}.test.ts`, `${file}.ts`].some((one) =>
      existsSync(path.join(projectDir, place, one)),
    ),
  );
}

describe("a link", () => {
  const local = all.flatMap(({ file, links }) =>
    links.filter((link) => !/^[a-z]+:/u.test(link)).map((link) => [file, link] as const),
  );

  it.each(local)("in %s leads somewhere: %s", (file, link) => {
    const [target = "", anchor] = link.split("#");
    const found = target === "" ? file : path.posix.join(path.posix.dirname(file), target);
    expect(existsSync(path.join(projectDir, found)), found).toBe(true);
    const anchors = anchor === undefined ? undefined : byFile.get(found)?.anchors;
    expect(anchor === undefined || anchors?.has(anchor), anchor).toBe(true);
  });

  it("to another site is an address by https", () => {
    const outside = all.flatMap(({ links }) => links.filter((link) => /^[a-z]+:/u.test(link)));
    expect(outside.filter((link) => !URL.canParse(link) || !link.startsWith("https:"))).toEqual([]);
  });
});

describe("a command", () => {
  const scriptCalls = pieces.flatMap(({ file, text }) =>
    Array.from(
      text.matchAll(/npm (?:run (?:--silent )?(?<script>[\w:-]+)|(?<direct>test)\b)/gu),
      ({ groups }) => [file, groups?.["script"] ?? groups?.["direct"] ?? ""] as const,
    ),
  );

  it.each(scriptCalls)("in %s runs a script of package.json: npm run %s", (_file, script) => {
    expect(Object.keys(scripts)).toContain(script);
  });

  const commands = hostCommands().map(({ file, words }) => [file, words.join(" ")] as const);

  it("is found in blocks, in lines and in comments", () => {
    expect(commands.length).toBeGreaterThan(50);
    expect(scriptCalls.length).toBeGreaterThan(10);
  });

  it.each(commands)("in %s names what this plugin has: openclaw %s", (_file, command) => {
    const value = (option: string): string | undefined =>
      new RegExp(`${option} (?<value>[\\w-]+)`, "u").exec(command)?.[1];
    const known = {
      "--auth-choice": manifest.providerAuthChoices.map(({ choiceId }) => choiceId),
      "--method": manifest.providerAuthChoices.map(({ method }) => method),
      "--provider": ["kimi-code"],
    };
    for (const [option, values] of Object.entries(known)) {
      expect([undefined, ...values], option).toContain(value(option));
    }
    const [, setting] = /plugins\.entries\.kimi-code-oauth\.config\.(\S+)/u.exec(command) ?? [];
    const found = setting
      ?.split(".")
      .reduce<Schema | undefined>(
        (schema, member) => schema?.properties?.[member],
        manifest.configSchema,
      );
    expect(setting === undefined || found !== undefined, setting).toBe(true);
  });
});

describe("a path", () => {
  const spans = pieces.flatMap(({ file, text, isBlock }) =>
    (isBlock ? text.split(/\s+/u) : [text]).map((span) => [file, span] as const),
  );
  const paths = spans.filter(
    ([, span]) =>
      /^\.?[\w-]+(?:\/[\w.*-]+)+\/?$|^[\w-]+\/$/u.test(span) &&
      folders.has(span.slice(0, span.indexOf("/"))) &&
      // `security/` and `host/` are folders here, and `models/…` is none of Kimi's routes.
      !span.startsWith("node_modules"),
  );
  const files = spans.filter(([, span]) => /^[\w.-]+\.(?:ts|mjs)$/u.test(span));

  it("is found", () => {
    expect(paths.length).toBeGreaterThan(80);
    expect(files.length).toBeGreaterThan(5);
  });

  it.each(paths)("in %s exists: %s", (_file, span) => {
    expect(existsHere(span)).toBe(true);
  });

  it.each(files)("in %s is a file of this project: %s", (_file, span) => {
    expect(names.has(span) || existsSync(path.join(projectDir, span))).toBe(true);
  });
});

describe("README.md", () => {
  it("has fewer than 150 lines", () => {
    expect(byFile.get("README.md")?.text.split("\n").length).toBeLessThan(150);
  });
});

describe("a message", () => {
  const allSentences = [...sentences(), ...answerSentences(), ...webSentences()];
  const troubleshooting = byFile.get("docs/troubleshooting.md");
  const readme = byFile.get("README.md");
  if (troubleshooting === undefined || readme === undefined) {
    throw new Error("a document is missing");
  }
  const advised = [...quotesOf(troubleshooting), ...quotedRows(troubleshooting)];
  const quoted = [...advised, ...quotedRows(readme)].filter((quote) => !OF_THE_HOST.has(quote));

  it.each(quoted)("that the documents quote is one of the table: %s", (quote) => {
    expect(allSentences.some(([, sentence]) => isQuotedFrom(quote, sentence))).toBe(true);
  });

  it("of OpenClaw's that is listed is quoted", () => {
    expect([...advised, ...quotedRows(readme)]).toEqual(expect.arrayContaining([...OF_THE_HOST]));
  });

  const ids = new Set(allSentences.map(([id]) => id));

  it.each([...ids])("%s has advice in docs/troubleshooting.md, or a reason to have none", (id) => {
    const texts = allSentences.filter(([one]) => one === id).map(([, sentence]) => sentence);
    const hasAdvice = texts.every((text) => advised.some((quote) => isQuotedFrom(quote, text)));
    expect(hasAdvice).toBe(!Object.hasOwn(WITHOUT_ADVICE, id));
  });

  it("without advice is a message of the table", () => {
    expect([...ids]).toEqual(expect.arrayContaining(Object.keys(WITHOUT_ADVICE)));
  });
});

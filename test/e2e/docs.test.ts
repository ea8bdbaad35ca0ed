/** The commands and OpenClaw's own words in the documents and messages are those of the real host. */
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { expect, it } from "vitest";
import { hostCommands, hostCommandsIn } from "../kit/documents.ts";
import { createHost } from "../kit/openclaw/host.ts";
import { commandTree, faultOf } from "../kit/openclaw/command-tree.ts";
import { projectDir } from "../kit/openclaw/layout.ts";
import { OF_THE_HOST } from "../kit/quoted.ts";
import { answerSentences, sentences, webSentences } from "../kit/sentences.ts";

it("has each command and option that documents and messages name", async () => {
  await using host = await createHost();
  const { stdout } = await host.run(["completion", "--shell", "zsh"], { timeoutMs: 240_000 });
  const root = commandTree(stdout);
  expect(faultOf(["models", "auth", "logn"], root)).toBe("there is no command logn");
  expect(faultOf(["models", "auth", "login", "--provder", "x"], root)).toBe(
    "there is no option --provder",
  );
  const told = [...sentences(), ...answerSentences(), ...webSentences()].flatMap(([id, text]) =>
    // A command ends with its sentence, or with the mark that closes it.
    text.split(/[`.](?= |$)/u).flatMap((part) => hostCommandsIn(`message ${id}`, part)),
  );
  expect(told.length).toBeGreaterThan(30);
  const faults = [...hostCommands(), ...told].flatMap(({ file, words }) => {
    const fault = faultOf(words, root);
    return fault === undefined ? [] : `${file}: openclaw ${words.join(" ")}: ${fault}`;
  });
  expect(faults).toEqual([]);
}, 300_000);

it("says itself what the documents quote of it", async () => {
  const missing = new Set(OF_THE_HOST);
  const dist = path.join(projectDir, "node_modules/openclaw/dist");
  for (const file of await readdir(dist)) {
    if (missing.size > 0 && /\.m?js$/u.test(file)) {
      const text = await readFile(path.join(dist, file), "utf8");
      for (const quote of missing) {
        if (text.includes(quote)) {
          missing.delete(quote);
        }
      }
    }
  }
  expect([...missing]).toEqual([]);
});

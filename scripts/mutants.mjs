#!/usr/bin/env node
/**
 * Mutation tests of `src/protocol` and `src/logins`: changes the code a little, and expects that a test
 * fails. Each file meets only the tests that are about it, so the score is a lower bound.
 *
 *     npm run mutants [-- part of a path …]
 *
 * Survivors are listed with their place. Ends with 1 when less than 85 % is killed.
 */

import { spawnSync } from "node:child_process";
import { globSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";

/** Part that must be killed, in percent. */
const WANTED = 85;
const REPORTS = ".cache/mutants";

/** Tests of each source file, as patterns below `test/`; by default the test with the file's name. */
const TESTS = {
  "protocol/decode": ["protocol/replies", "protocol/refresh-grant"],
  "protocol/http": ["protocol/{connection,http,refresh-grant}"],
  "protocol/connection": ["protocol/connection"],
  "protocol/proxy-env": ["protocol/connection"],
  "protocol/proxy-mode": ["protocol/connection"],
  "protocol/refresh-grant": ["protocol/{refresh-grant,replies}"],
  "protocol/token-response": ["protocol/{refresh-grant,replies,device-token}"],
  "protocol/transport-error": ["protocol/{transport-error,connection}"],
  "protocol/verification-link": ["protocol/device-authorization", "security/links"],
  "logins/abortable": ["logins/login"],
  "logins/home-file": ["logins/{home-file,odd-files,credential}"],
  "logins/home-replace": [
    "logins/{home-file,home-replace,last-look,home-not-writable,login-failures}",
  ],
  "logins/login": ["logins/{login,login-failures,login-owner,odd-files,last-look}"],
  "logins/openclaw-home-notes": ["logins/openclaw-home"],
  "logins/openclaw-home-removal": ["logins/openclaw-home"],
  "logins/openclaw-slots": ["logins/openclaw-home"],
  "logins/personal-home": ["logins/openclaw-home"],
  "logins/refusals": ["logins/{refusals,login-failures}"],
  "logins/replaceable": ["logins/replaceable"],
  "logins/successor": ["logins/{last-look,successor}"],
  "logins/transaction": ["logins/{transaction,last-look}"],
  "logins/locks/owner": ["logins/{directory-lock,file-lock}"],
};

/** Nothing to kill. */
const LEFT_OUT = new Set(["logins/locks/koffi", "logins/locks/types", "logins/login-deps"]);

const wanted = process.argv.slice(2);
const sources = globSync("src/{protocol,logins}/**/*.ts")
  .map((file) => file.split(path.sep).join("/").slice("src/".length, -".ts".length))
  .filter((name) => !LEFT_OUT.has(name))
  .filter((name) => wanted.length === 0 || wanted.some((part) => `src/${name}.ts`.includes(part)))
  .toSorted();

/**
 * @typedef {{ status: string, mutatorName: string, replacement?: string,
 *   location: { start: { line: number, column: number } } }} Mutant
 */

/**
 * @param {string} name
 * @returns {Mutant[] | undefined} `undefined` when the tests did not run
 */
function mutantsOf(name) {
  const patterns = TESTS[name] ?? [`{protocol,logins}/${path.basename(name)}`];
  const tests = patterns.flatMap((pattern) => globSync(`test/${pattern}.test.ts`));
  const report = `${REPORTS}/${name.replaceAll("/", "-")}.json`;
  rmSync(report, { force: true });
  spawnSync(
    process.execPath,
    [
      "node_modules/@stryker-mutator/core/bin/stryker.js",
      "run",
      `--mutate=src/${name}.ts`,
      "--logLevel=error",
    ],
    {
      stdio: "inherit",
      env: { ...process.env, MUTANTS_REPORT: report, MUTANTS_TESTS: tests.join(",") },
    },
  );
  try {
    const { files } = JSON.parse(readFileSync(report, "utf8"));
    return Object.values(files).flatMap((file) => file.mutants);
  } catch {
    return undefined;
  }
}

mkdirSync(REPORTS, { recursive: true });
let killed = 0;
let total = 0;
let failed = false;
for (const name of sources) {
  const mutants = mutantsOf(name);
  if (mutants === undefined) {
    console.log(`src/${name}.ts: the tests did not run`);
    failed = true;
    continue;
  }
  const valid = mutants.filter(({ status }) => !/Error|Ignored/.test(status));
  const alive = valid.filter(({ status }) => status === "Survived" || status === "NoCoverage");
  const dead = valid.length - alive.length;
  killed += dead;
  total += valid.length;
  const percent = valid.length === 0 ? 100 : (100 * dead) / valid.length;
  console.log(`src/${name}.ts: ${percent.toFixed(1)} % (${dead} of ${valid.length})`);
  for (const { mutatorName, replacement, location, status } of alive) {
    const { line, column } = location.start;
    const how = status === "NoCoverage" ? "no test reaches it" : mutatorName;
    console.log(`  ${line}:${column} ${how}: ${(replacement ?? "").slice(0, 100)}`);
  }
}
const score = total === 0 ? 100 : (100 * killed) / total;
console.log(`All: ${score.toFixed(1)} % (${killed} of ${total})`);
process.exit(failed || score < WANTED ? 1 : 0);

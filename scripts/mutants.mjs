#!/usr/bin/env node
/**
 * Mutation tests of `src/protocol` and `src/logins`: changes the code a little, and expects that a test
 * fails. Each file meets only the tests that are about it, so the score is a lower bound.
 *
 *     npm run mutants [-- part of a path …]
 *     npm run mutants -- --survivors [part of a path …]    those that survived the last run, once more
 *     npm run mutants -- --scores    only the scores of the last runs, as a table
 *
 * Survivors are listed with their place. Ends with 1 when less than 85 % of a folder is killed.
 */

import { spawnSync } from "node:child_process";
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

/** Part that must be killed of each folder, in percent. */
const WANTED = 85;
const FOLDERS = ["protocol", "logins"];
const REPORTS = ".cache/mutants";

/**
 * Tests of each source file, as patterns below `test/`; by default the test with the file's name. What
 * survives the first pattern meets the others.
 *
 * @type {Record<string, readonly string[]>}
 */
const TESTS = {
  "protocol/device-authorization": ["protocol/device-authorization", "protocol/device-token"],
  "protocol/http": ["protocol/http", "protocol/{connection,refresh-grant}"],
  "protocol/proxy-mode": ["protocol/connection"],
  "protocol/refresh-grant": ["protocol/refresh-grant", "protocol/token-responses"],
  "protocol/token-response": ["protocol/token-responses", "protocol/{refresh-grant,device-token}"],
  "protocol/transport-error": ["protocol/transport-error", "protocol/connection"],
  "logins/home-error": ["logins/home-error", "logins/odd-files"],
  "logins/home-file": ["logins/home-file", "logins/{odd-files,credential}"],
  "logins/home-replace": [
    "logins/home-replace",
    "logins/{home-file,last-look,home-not-writable,login-failures}",
  ],
  "logins/login": [
    "logins/login",
    "logins/{login-failures,login-owner,open-logins,odd-files,last-look}",
  ],
  "logins/openclaw-home-notes": ["logins/openclaw-home"],
  "logins/openclaw-home-removal": ["logins/openclaw-home"],
  "logins/openclaw-slots": ["logins/openclaw-home"],
  "logins/personal-home": ["logins/openclaw-home"],
  "logins/failure-memory": ["logins/failure-memory", "logins/login-failures"],
  "logins/successor": ["logins/successor", "logins/{last-look,home-crash}"],
  "logins/transaction": ["logins/transaction", "logins/last-look"],
  "logins/locks/directory-lock": ["logins/directory-lock", "logins/{locks,lock-states}"],
  "logins/locks/file-owner": ["logins/file-lock", "logins/directory-lock"],
};

/** Nothing to kill. */
const NOTHING_TO_KILL = new Set(["logins/locks/koffi", "logins/locks/types", "logins/login-deps"]);

const wanted = process.argv.slice(2).filter((part) => !part.startsWith("--"));
const onlyScores = process.argv.includes("--scores");
const onlySurvivors = process.argv.includes("--survivors");
const sources = globSync("src/{protocol,logins}/**/*.ts")
  .map((file) => file.split(path.sep).join("/").slice("src/".length, -".ts".length))
  .filter((name) => !NOTHING_TO_KILL.has(name))
  .filter((name) => wanted.length === 0 || wanted.some((part) => `src/${name}.ts`.includes(part)))
  .toSorted();

/**
 * @typedef {{ line: number, column: number }} Place
 * @typedef {{ status: string, statusReason?: string, mutatorName: string, replacement?: string,
 *   location: { start: Place, end: Place } }} Mutant
 */

/** @param {string} name */
const reportOf = (name) => `${REPORTS}/${name.replaceAll("/", "-")}.json`;

/** @param {Mutant} mutant */
const isAlive = ({ status }) => status === "Survived" || status === "NoCoverage";

/**
 * @param {string} report
 * @param {string} name
 * @returns {{ source: string, mutants: Mutant[] } | undefined} `undefined` when there was no run
 */
function read(report, name) {
  try {
    return JSON.parse(readFileSync(report, "utf8")).files[`src/${name}.ts`];
  } catch {
    return undefined;
  }
}

/**
 * @param {string} report
 * @param {string} mutate - a file, or places in it
 * @param {readonly string[]} patterns - the tests
 */
function run(report, mutate, patterns) {
  const tests = patterns.flatMap((pattern) => globSync(`test/${pattern}.test.ts`));
  rmSync(report, { force: true });
  spawnSync(
    process.execPath,
    [
      "node_modules/@stryker-mutator/core/bin/stryker.js",
      "run",
      `--mutate=${mutate}`,
      "--logLevel=error",
    ],
    {
      stdio: "inherit",
      env: { ...process.env, MUTANTS_REPORT: report, MUTANTS_TESTS: tests.join(",") },
    },
  );
}

/** @param {string} name */
const testsOf = (name) => TESTS[name] ?? [`{protocol,logins}/${path.basename(name)}`];

/** @param {string} name */
function runAll(name) {
  const [first = "", ...others] = testsOf(name);
  run(reportOf(name), `src/${name}.ts`, [first]);
  if (others.length > 0) {
    runSurvivors(name, others);
  }
}

/** @param {Mutant} mutant */
const keyOf = ({ location, mutatorName, replacement }) =>
  JSON.stringify([location.start, location.end, mutatorName, replacement]);

/**
 * Runs the survivors of the last run again, and notes in its report which of them are dead by now.
 *
 * @param {string} name
 * @param {readonly string[]} patterns - the tests
 */
function runSurvivors(name, patterns) {
  const file = `src/${name}.ts`;
  const last = read(reportOf(name), name);
  if (last === undefined) {
    return;
  }
  const alive = last.mutants.filter(isAlive);
  if (alive.length === 0) {
    return;
  }
  const again = `${REPORTS}/survivors.json`;
  const places = alive.map(({ location: { start, end } }) => {
    // Reports count columns from 1, and places from 0.
    const [from, to] = [start, end].map(({ line, column }) => `${line}:${column - 1}`);
    return `${file}:${from}-${to}`;
  });
  run(again, [...new Set(places)].join(","), patterns);
  const found = new Map(read(again, name)?.mutants.map((mutant) => [keyOf(mutant), mutant]));
  const mutants = last.mutants.map((mutant) => {
    const now = found.get(keyOf(mutant));
    return isAlive(mutant) && now !== undefined && now.status !== "NoCoverage" ? now : mutant;
  });
  writeFileSync(reportOf(name), JSON.stringify({ files: { [file]: { ...last, mutants } } }));
}

/**
 * @param {string} name
 * @returns what its last run found; `undefined` when the tests did not run
 */
function resultOf(name) {
  const mutants = read(reportOf(name), name)?.mutants;
  if (mutants === undefined) {
    return undefined;
  }
  const valid = mutants.filter(({ status }) => !/Error|Ignored/.test(status));
  const alive = valid.filter(isAlive);
  // A slow machine looks like this, too.
  const late = valid.filter(
    ({ status, statusReason }) =>
      /timed out/i.test(statusReason ?? "") ||
      // A loop that runs too often is counted, not timed.
      (status === "Timeout" && !/hit limit/i.test(statusReason ?? "")),
  );
  return { total: valid.length, dead: valid.length - alive.length, alive, late: late.length };
}

/** @param {{ dead: number, total: number }} result */
const percentOf = ({ dead, total }) => (total === 0 ? 100 : (100 * dead) / total);

mkdirSync(REPORTS, { recursive: true });
const sums = Object.fromEntries(FOLDERS.map((folder) => [folder, { dead: 0, total: 0, late: 0 }]));
let failed = false;
for (const name of sources) {
  const isSame = read(reportOf(name), name)?.source === readFileSync(`src/${name}.ts`, "utf8");
  if (onlySurvivors && isSame) {
    runSurvivors(name, testsOf(name));
  } else if (!onlyScores) {
    runAll(name);
  }
  const result = resultOf(name);
  if (result === undefined) {
    console.log(`src/${name}.ts: the tests did not run`);
    failed = true;
    continue;
  }
  const { dead, total, late, alive } = result;
  const sum = sums[name.split("/")[0]];
  sum.dead += dead;
  sum.total += total;
  sum.late += late;
  if (onlyScores) {
    const score = `${percentOf(result).toFixed(0)} % (${dead} of ${total})`;
    console.log(`| \`${name}.ts\` | ${score} | ${late} |`);
    continue;
  }
  console.log(
    `src/${name}.ts: ${percentOf(result).toFixed(1)} % (${dead} of ${total}, ${late} by time)`,
  );
  for (const { mutatorName, replacement, location, status } of alive) {
    const { line, column } = location.start;
    const how = status === "NoCoverage" ? "no test reaches it" : mutatorName;
    console.log(`  ${line}:${column} ${how}: ${(replacement ?? "").slice(0, 100)}`);
  }
}
for (const [folder, sum] of Object.entries(sums)) {
  if (sum.total > 0) {
    console.log(
      `${folder}/: ${percentOf(sum).toFixed(1)} % (${sum.dead} of ${sum.total}, ${sum.late} by time)`,
    );
  }
}
process.exit(failed || Object.values(sums).some((sum) => percentOf(sum) < WANTED) ? 1 : 0);

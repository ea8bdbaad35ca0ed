#!/usr/bin/env node
/**
 * Makes a release: checks, sets the version, dates the changelog, packs, commits and tags. It
 * publishes nothing, and prints the command that does.
 *
 *     node scripts/release.mjs 1.2.3 [--dry-run] [--skip-checks]
 *
 * `--dry-run` writes nothing. `--skip-checks` leaves out `npm run check`, `npm test` and the pack.
 */

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

/** Semantic versioning, without build metadata, which npm ignores. */
const VERSION = /^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/;

/** @param {string} message */
function fail(message) {
  console.error(message);
  process.exit(1);
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 */
function output(command, args) {
  return execFileSync(command, args, { encoding: "utf8" }).trim();
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 */
function run(command, ...args) {
  execFileSync(command, args, { stdio: "inherit" });
}

/**
 * Sets the version in a JSON file; the rest of its text stays as it is.
 *
 * @param {string} text
 * @param {string} version
 */
function withVersion(text, version) {
  return text.replace(/("version": ")[^"]+/, `$1${version}`);
}

/**
 * Sets both versions of this package in the lock file: at its top, and in its first package.
 *
 * @param {string} text
 * @param {string} version
 */
function withLockVersion(text, version) {
  return withVersion(text, version).replace(/("": \{[^}]*?"version": ")[^"]+/s, `$1${version}`);
}

/**
 * Moves what is under Unreleased to a heading of its own.
 *
 * @param {string} text
 * @param {string} version
 * @param {string} date - e.g. `2026-01-31`
 * @returns the new text; `undefined` when there is nothing to release
 */
function withRelease(text, version, date) {
  const [, before, entries, after] = /^(.*?## Unreleased\n)(.*?)((?=\n## ).*|$)$/s.exec(text) ?? [];
  return entries === undefined || entries.trim() === ""
    ? undefined
    : `${before}\n## ${version} - ${date}\n${entries}${after}`;
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    "dry-run": { type: "boolean", default: false },
    "skip-checks": { type: "boolean", default: false },
  },
});
const [version = ""] = positionals;
if (!VERSION.test(version)) {
  fail("Name the version, for example: node scripts/release.mjs 1.2.3");
}
if (output("git", ["status", "--porcelain"]) !== "") {
  fail("There are changes that are not committed. Commit them first.");
}
if (output("git", ["tag", "--list", `v${version}`]) !== "") {
  fail(`v${version} was released before. Choose another version.`);
}

const changelog = withRelease(
  readFileSync("CHANGELOG.md", "utf8"),
  version,
  new Date().toISOString().slice(0, 10),
);
if (changelog === undefined) {
  fail("CHANGELOG.md has nothing under Unreleased. Write down what has changed.");
}
/** @type {[string, string | undefined][]} */
const files = [
  ["CHANGELOG.md", changelog],
  ["package.json", withVersion(readFileSync("package.json", "utf8"), version)],
  ["package-lock.json", withLockVersion(readFileSync("package-lock.json", "utf8"), version)],
  [
    "src/constants.ts",
    readFileSync("src/constants.ts", "utf8").replace(/(PLUGIN_VERSION = ")[^"]+/, `$1${version}`),
  ],
];
if (values["dry-run"]) {
  console.log(
    `Would write ${files.map(([file]) => file).join(", ")}, then commit and tag v${version}.`,
  );
  process.exit(0);
}
for (const [file, text] of files) {
  writeFileSync(file, text ?? "");
}
if (!values["skip-checks"]) {
  try {
    run("npm", "run", "check");
    run("npm", "test");
    run("npm", "pack");
  } catch {
    run("git", "checkout", "--", ...files.map(([file]) => file));
    fail("A check failed. Nothing was released.");
  }
}
run("git", "commit", "--quiet", "--all", "--message", `chore: release ${version}`);
run("git", "tag", `v${version}`);
console.log(
  `\nTo publish, run:\n  git push --follow-tags\n  npm publish kimi-code-oauth-${version}.tgz --provenance`,
);

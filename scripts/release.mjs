#!/usr/bin/env node
/**
 * Makes a release, all but the upload: sets the version, dates the changelog, tests, looks for known
 * vulnerabilities, packs twice and compares, writes the bill of materials, checksums and notes, commits
 * and tags. It prints the commands that publish.
 *
 *     node scripts/release.mjs 1.2.3 [--dry-run] [--skip-checks]
 *
 * `--dry-run` writes nothing. `--skip-checks` leaves out `npm test` and the look for vulnerabilities.
 */

import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

/** Semantic versioning, without build metadata, which npm ignores. */
const VERSION = /^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/;
/** Where the results are; git ignores it. */
const FOLDER = "release";
/** Addresses that a publisher has to replace. */
const PLACEHOLDER = "example.invalid";
/** Exit code of `npm run audit` when the registry could not be asked. */
const NOT_ASKED = 2;

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
  return execFileSync(command, args, { encoding: "utf8", maxBuffer: 64 * 1024 ** 2 }).trim();
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 */
function run(command, ...args) {
  execFileSync(command, args, { stdio: "inherit" });
}

/** @param {string} file */
function read(file) {
  return readFileSync(file, "utf8");
}

/**
 * True when the first version has lower numbers; what follows a `-` is not compared.
 *
 * @param {string} left
 * @param {string} right
 */
function isLower(left, right) {
  const [ours, theirs] = [left, right].map((one) => one.split("-")[0]?.split(".").map(Number));
  const at = ours?.findIndex((part, index) => part !== theirs?.[index]) ?? -1;
  return at !== -1 && (ours?.[at] ?? 0) < (theirs?.[at] ?? 0);
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
 * Splits a changelog at what is under Unreleased.
 *
 * @param {string} text
 * @returns `undefined` when there is nothing to release
 */
function unreleased(text) {
  const [, before, entries, after] = /^(.*?## Unreleased\n)(.*?)((?=\n## ).*|$)$/s.exec(text) ?? [];
  return entries === undefined || entries.trim() === "" ? undefined : { before, entries, after };
}

/**
 * The documents that name a version of this package, with the new one: `kimi-code-oauth@1.2.3`.
 *
 * @param {string} name - of the package
 * @param {string} old
 * @param {string} version
 * @returns {[string, string][]} files and their new text
 */
function documentsWith(name, old, version) {
  const pattern = new RegExp(`(${name}[@/-])${old.replaceAll(".", "\\.")}(?![\\w-]|\\.\\d)`, "gu");
  return output("git", ["ls-files", "*.md"])
    .split("\n")
    .filter((file) => file !== "" && file !== "CHANGELOG.md")
    .flatMap((file) => {
      const text = read(file);
      const changed = text.replace(pattern, `$1${version}`);
      return changed === text ? [] : [[file, changed]];
    });
}

/**
 * Packs a checkout, and reads the tarball.
 *
 * @param {string} cwd
 */
function pack(cwd) {
  const args = ["pack", "--silent", "--pack-destination", cwd];
  const name = execFileSync("npm", args, { cwd, encoding: "utf8" }).trim().split("\n").at(-1) ?? "";
  const bytes = readFileSync(path.join(cwd, name));
  rmSync(path.join(cwd, name));
  return { name, bytes };
}

/** Packs what git has of this state, in a folder of its own: files that git ignores do not count there. */
function packCommitted() {
  const folder = mkdtempSync(path.join(tmpdir(), "kimi-release-"));
  try {
    const archive = path.join(folder, "state.tar");
    const checkout = path.join(folder, "checkout");
    mkdirSync(checkout);
    run("git", "archive", "--output", archive, output("git", ["stash", "create"]));
    run("tar", "-xf", archive, "-C", checkout);
    symlinkSync(path.resolve("node_modules"), path.join(checkout, "node_modules"));
    return pack(checkout);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Writes the tarball, its bill of materials, checksums of both, and the notes.
 *
 * @param {string} notes - of this version
 */
function writeResults(notes) {
  const { name, bytes } = pack(".");
  if (!packCommitted().bytes.equals(bytes)) {
    throw new Error("Packed from another folder, the tarball has other bytes.");
  }
  const bom = name.replace(/\.tgz$/, ".cdx.json");
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER);
  const sums = [
    { file: name, content: bytes },
    { file: bom, content: `${output("npm", ["run", "--silent", "sbom"])}\n` },
  ].map(({ file, content }) => {
    writeFileSync(path.join(FOLDER, file), content);
    return `${createHash("sha256").update(content).digest("hex")}  ${file}\n`;
  });
  writeFileSync(path.join(FOLDER, "SHA256SUMS"), sums.join(""));
  writeFileSync(path.join(FOLDER, "NOTES.md"), `${notes.trim()}\n`);
  return path.posix.join(FOLDER, name);
}

/** Says where a publisher still has to fill in addresses. */
function warnOfPlaceholders() {
  for (const file of ["package.json", "SECURITY.md"]) {
    if (existsSync(file) && read(file).includes(PLACEHOLDER)) {
      console.error(`${file} has addresses at ${PLACEHOLDER}. Replace them before you publish.`);
    }
  }
}

function check() {
  run("npm", "test");
  const { status } = spawnSync("npm", ["run", "--silent", "audit"], { stdio: "inherit" });
  if (status === NOT_ASKED) {
    console.error("Run `npm run audit` where the registry answers before you publish.");
  } else if (status !== 0) {
    throw new Error("A package that users get has a known vulnerability.");
  }
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
const manifest = JSON.parse(read("package.json"));
if (isLower(version, manifest.version)) {
  fail(`This is ${manifest.version} already. Choose a version after it.`);
}
const changelog = read("CHANGELOG.md");
const news = unreleased(changelog);
if (news === undefined) {
  fail("CHANGELOG.md has nothing under Unreleased. Write down what has changed.");
}

warnOfPlaceholders();
const date = new Date().toISOString().slice(0, 10);
/** @type {[string, string][]} */
const files = [
  ["CHANGELOG.md", `${news?.before}\n## ${version} - ${date}\n${news?.entries}${news?.after}`],
  ["package.json", withVersion(read("package.json"), version)],
  ["package-lock.json", withLockVersion(read("package-lock.json"), version)],
  [
    "src/constants.ts",
    read("src/constants.ts").replace(/(PLUGIN_VERSION = ")[^"]+/, `$1${version}`),
  ],
  ...documentsWith(manifest.name, manifest.version, version),
];
if (values["dry-run"]) {
  console.log(
    `Would write ${files.map(([file]) => file).join(", ")} and ${FOLDER}/, then commit and tag v${version}.`,
  );
  process.exit(0);
}

let tarball = "";
try {
  for (const [file, text] of files) {
    writeFileSync(file, text);
  }
  if (!values["skip-checks"]) {
    check();
  }
  tarball = writeResults(news?.entries ?? "");
} catch (error) {
  run("git", "checkout", "--quiet", "--", ...files.map(([file]) => file));
  fail(`${error instanceof Error ? error.message : String(error)}\nNothing was released.`);
}
run("git", "commit", "--quiet", "--all", "--message", `chore: release ${version}`);
// With a message, because `git push --follow-tags` leaves out tags that have none.
run("git", "tag", "--annotate", "--message", `${manifest.name} ${version}`, `v${version}`);

const source = /github\.com[:/]([\w.-]+\/[\w.-]+?)(?:\.git)?$/.exec(manifest.repository?.url ?? "");
const commit = output("git", ["rev-parse", "HEAD"]);
console.log(`
v${version} is committed and tagged; ${FOLDER}/ has the tarball, its bill of materials, checksums and notes.
Nothing was uploaded. To publish, run:

  git push --follow-tags
  npm publish ${tarball}${version.includes("-") ? " --tag next" : ""}
  npx clawhub package publish ${tarball} --source-repo ${source?.[1] ?? "<owner/name>"} --source-commit ${commit} --changelog "$(cat ${FOLDER}/NOTES.md)"

To take it back before that, run:

  git tag --delete v${version} && git reset --hard HEAD~1`);
warnOfPlaceholders();

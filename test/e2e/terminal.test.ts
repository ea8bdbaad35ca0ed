import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";
import { createHost, type Host } from "../kit/openclaw/host.ts";
import { keys } from "../kit/openclaw/pty.ts";
import {
  kimiVariables,
  pythonCredentialFile,
  readCredential,
  writeCliLogin,
} from "../kit/kimi/kimi-cli.ts";

let standIn: StandIn;
let host: Host;

beforeEach(async () => {
  standIn = await startStandIn();
  host = await createHost({ env: kimiVariables(standIn) });
}, 120_000);

afterEach(async () => {
  await host?.dispose();
  await standIn?.close();
});

it("asks in a terminal which of several logins to use, stores the chosen one, and sets up web search by a yes", async () => {
  const first = standIn.issueLogin();
  const second = standIn.issueLogin();
  const file = await writeCliLogin(host, standIn, first);
  const inPython = pythonCredentialFile(host);
  await mkdir(path.dirname(inPython), { recursive: true });
  await writeFile(
    inPython,
    JSON.stringify({ ...second, expires_at: Date.now() / 1000 + 950.5, expires_in: 900.5 }),
    { mode: 0o600 },
  );

  const terminal = host.terminal([
    "models",
    "auth",
    "login",
    "--provider",
    "kimi-code",
    "--method",
    "cli-login",
  ]);
  await terminal.waitFor("Which one should OpenClaw use?", 60_000);
  // The login that was refreshed last stands first.
  expect(terminal.screen().indexOf(inPython)).toBeLessThan(terminal.screen().indexOf(file));
  terminal.send(keys.down);
  terminal.send(keys.enter);
  await terminal.waitFor("Using the login of the Kimi Code CLI", 60_000);
  await terminal.waitFor("Let agents search the web with this Kimi login too?", 30_000);
  terminal.send("y");
  const { code } = await terminal.exited;

  expect(code).toBe(0);
  expect(host.readAuthProfiles()["kimi-code:default"]).toMatchObject({
    access: (await readCredential(file)).access_token,
    authFlow: `kimi-code-cli:${standIn.cliSlot}@${path.dirname(path.dirname(file))}`,
  });
  expect(terminal.screen()).toContain("Agents now search the web with this Kimi login.");
  expect((await host.config())["tools"]).toMatchObject({
    web: { search: { provider: "kimi-code-oauth" }, fetch: { provider: "kimi-code-oauth" } },
  });
  expect(terminal.screen()).not.toContain(first.access_token);
  expect(terminal.screen()).not.toContain(first.refresh_token);
}, 120_000);

import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { keys, startTerminal } from "../pty.ts";
import { runCommand, startCommand } from "../process.ts";

const shell = (script: string) => ({
  file: "/bin/sh",
  args: ["-c", script],
  cwd: tmpdir(),
  env: { PATH: process.env["PATH"] ?? "" },
});

/** Prints the pid of a grandchild that has left the process group, then waits for it. */
const withDetachedChild = `"${process.execPath}" -e '
  const child = require("node:child_process").spawn("sleep", ["60"], { detached: true });
  console.log("grandchild", child.pid);
'`;

test("a timeout ends the descendants in other process groups, too, and shows the last output", async () => {
  const command = startCommand(shell(withDetachedChild));
  const pid = Number((await command.waitForOutput(/grandchild \d+/u)).split(" ")[1]);

  await expect(runCommand(command, { timeoutMs: 50 })).rejects.toThrow(`grandchild ${pid}`);
  // Gone, or a zombie that its new parent has not collected yet; the kernel takes a moment for it.
  const state = (): string =>
    spawnSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" }).stdout.trim();
  await expect.poll(state, { timeout: 10_000 }).toMatch(/^(?:Z.*)?$/u);
});

test("waiting for output ends with the command", async () => {
  await expect(
    startCommand(shell("echo something else")).waitForOutput("expected"),
  ).rejects.toThrow("something else");
});

test("a command gets its input, and its exit code and both outputs come back", async () => {
  const result = await runCommand(
    startCommand(shell("read line; echo $line; echo oops >&2; exit 3")),
    { input: "hello\n" },
  );

  expect(result).toMatchObject({ code: 3, signal: null, stdout: "hello\n", stderr: "oops\n" });
});

test("a terminal is a terminal, and keys reach the command", async () => {
  const terminal = startTerminal(
    shell('test -t 0 && printf "\\033[1mname?\\033[0m "; read name; echo "it is $name"; exit 5'),
  );
  await terminal.waitFor("name? ");
  terminal.send(`kimi${keys.enter}`);
  await terminal.waitFor("it is kimi");

  expect(await terminal.exited).toMatchObject({ code: 5 });
});

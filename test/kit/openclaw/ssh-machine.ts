/** A machine that OpenClaw's sandbox backend `ssh` can use: this one, through an sshd of the test's own on loopback. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { freePort } from "./gateway.ts";
import type { JsonObject } from "./layout.ts";

const SSHD = "/usr/sbin/sshd";
/** sshd wants this folder when root starts it, and a package may have left it to the service manager. */
const PRIVILEGE_SEPARATION = "/run/sshd";

/** True where Debian's packages openssh-server and openssh-client are installed. */
export const hasSshd = [SSHD, "/usr/bin/ssh", "/usr/bin/ssh-keygen", "/usr/bin/python3"].every(
  (file) => existsSync(file),
);

/** The machine. */
export interface SshMachine extends AsyncDisposable {
  /** Members of the config's `sandbox` that put every session of an agent there. */
  readonly sandbox: JsonObject;
}

/** Starts an sshd that takes one new key of this user's. */
export async function startSshMachine(): Promise<SshMachine> {
  const folder = await realpath(await mkdtemp(path.join(tmpdir(), "ssh-machine-")));
  const [hostKey, key, authorized, known, config] = [
    "host-key",
    "key",
    "authorized_keys",
    "known_hosts",
    "sshd_config",
  ].map((name) => path.join(folder, name)) as [string, string, string, string, string];
  for (const file of [hostKey, key]) {
    await promisify(execFile)("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file]);
  }
  const port = await freePort();
  await copyFile(`${key}.pub`, authorized);
  await writeFile(known, `[127.0.0.1]:${port} ${await readFile(`${hostKey}.pub`, "utf8")}`);
  const settings = [
    `Port ${port}`,
    "ListenAddress 127.0.0.1",
    `HostKey ${hostKey}`,
    `AuthorizedKeysFile ${authorized}`,
    "StrictModes no",
    "UsePAM no",
    "PasswordAuthentication no",
    "PermitRootLogin prohibit-password",
    "PidFile none",
  ];
  await writeFile(config, `${settings.join("\n")}\n`);
  if (userInfo().uid === 0) {
    await mkdir(PRIVILEGE_SEPARATION, { recursive: true });
  }
  const sshd = spawn(SSHD, ["-D", "-e", "-f", config], { stdio: ["ignore", "ignore", "pipe"] });
  const exited = once(sshd, "exit");
  // "Server listening on …"
  const started = await Promise.race([once(createInterface(sshd.stderr), "line"), exited]);
  if (sshd.exitCode !== null) {
    throw new Error(`sshd did not start: ${String(started)}`);
  }
  return {
    sandbox: {
      mode: "all",
      backend: "ssh",
      scope: "agent",
      workspaceAccess: "rw",
      ssh: {
        target: `${userInfo().username}@127.0.0.1:${port}`,
        workspaceRoot: path.join(folder, "sandboxes"),
        identityFile: key,
        knownHostsFile: known,
        updateHostKeys: false,
      },
    },
    [Symbol.asyncDispose]: async () => {
      sshd.kill();
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

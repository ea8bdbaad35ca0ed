/** Where a host under test keeps things, and the surroundings its commands get. */
import { readFileSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Folder of this package. */
export const projectDir = fileURLToPath(new URL("../../../", import.meta.url));

/** The OpenClaw command: of the development dependency, or of another release (`npm run test:hosts`). */
export const openclawEntry =
  process.env.OPENCLAW_UNDER_TEST ?? join(projectDir, "node_modules", "openclaw", "openclaw.mjs");

/** Memory as a file system, where Linux has it. */
const MEMORY = "/dev/shm";
/** Room that the hosts of a test run may need, bytes. */
const ROOM = 4 * 1024 ** 3;

/**
 * The folder that hosts live in: memory where there is room, because a host copies more than a thousand files at each
 * start. Native modules are loaded from there, so programs must be allowed to run there.
 */
export function hostsDir(): string {
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    const options = readFileSync("/proc/mounts", "utf8")
      .split("\n")
      .map((line) => line.split(" "))
      .findLast(([, place]) => place === MEMORY)?.[3];
    const usable =
      options?.split(",").includes("rw") === true && !options.split(",").includes("noexec");
    return usable && bavail * bsize > ROOM ? MEMORY : tmpdir();
  } catch {
    return tmpdir();
  }
}

/** Environment variables by name. */
export type Variables = Readonly<Record<string, string>>;

/** A JSON object of unknown content. */
export type JsonObject = Record<string, unknown>;

/** Folders of one host; all of them lie under `root`. */
export interface HostLayout {
  readonly root: string;
  readonly home: string;
  /** `OPENCLAW_STATE_DIR`. */
  readonly stateDir: string;
  /** The host's temporary files. */
  readonly tempDir: string;
  readonly configFile: string;
  /** The host's log; by default it would be one file per day for all hosts of the machine, outside of any of these folders. */
  readonly logFile: string;
}

/** The folders of the host that lives in `root`. */
export function hostLayout(root: string): HostLayout {
  const home = join(root, "home");
  const stateDir = join(home, ".openclaw");
  return {
    root,
    home,
    stateDir,
    tempDir: join(root, "tmp"),
    configFile: join(stateDir, "openclaw.json"),
    logFile: join(stateDir, "logs", "openclaw.log"),
  };
}

/**
 * The whole environment of a host command: of this process it inherits nothing, so that no KIMI_, OPENCLAW_ or proxy
 * variable of the developer's changes a test. This Node comes first on PATH.
 */
export function hostEnvironment(layout: HostLayout, extra: Variables = {}): Record<string, string> {
  return {
    PATH: [dirname(process.execPath), "/usr/local/bin", "/usr/bin", "/bin"].join(":"),
    HOME: layout.home,
    OPENCLAW_STATE_DIR: layout.stateDir,
    TMPDIR: layout.tempDir,
    // Compiling the host again for each test would cost seconds; the cache holds code only.
    NODE_COMPILE_CACHE: join(projectDir, "node_modules", ".cache", "openclaw-compile"),
    // What its guide for small machines says, too: no further process for each command.
    OPENCLAW_NO_RESPAWN: "1",
    // Nothing leaves this machine: no question for a newer version, no name on the local network.
    OPENCLAW_NO_AUTO_UPDATE: "1",
    OPENCLAW_DISABLE_BONJOUR: "1",
    LANG: "C.UTF-8",
    ...extra,
  };
}

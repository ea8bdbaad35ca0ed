/** Other checkouts of this project, with what is not yet committed. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, symlink } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { projectDir } from "./openclaw/layout.ts";

const run = promisify(execFile);

/**
 * Copies the project's files to a folder, and links its packages there.
 *
 * @param mode - rights of each file, as the umask of a user leaves them
 */
export async function checkOut(folder: string, mode = 0o644): Promise<void> {
  const { stdout } = await run(
    "git",
    ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    { cwd: projectDir, maxBuffer: 16 * 1024 ** 2 },
  );
  for (const file of stdout.split("\0").filter(Boolean)) {
    // One that was deleted is still listed until that is committed.
    if (existsSync(path.join(projectDir, file))) {
      const target = path.join(folder, file);
      await mkdir(path.dirname(target), { recursive: true });
      await copyFile(path.join(projectDir, file), target);
      await chmod(target, mode);
    }
  }
  await symlink(path.join(projectDir, "node_modules"), path.join(folder, "node_modules"));
}

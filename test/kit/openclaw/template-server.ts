/** Lets the workers of a test run share what one process makes: a question and an answer over a Unix socket. */
import { once } from "node:events";
import { createConnection, createServer } from "node:net";
import { text } from "node:stream/consumers";

/** Names the socket to the workers. */
const SOCKET_VARIABLE = "OPENCLAW_TEST_TEMPLATES";

/** What a worker can ask for. */
export type TemplateJob = "pack" | "install";

interface Question {
  readonly job: TemplateJob;
  readonly archive?: string;
}

type Answer = { readonly path: string } | { readonly error: string };

/** Answers the workers until the returned function is called; they find the socket through the environment. */
export async function serveTemplates(
  socketPath: string,
  make: (job: TemplateJob, archive?: string) => Promise<string>,
): Promise<() => void> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    // A worker that is gone needs no answer.
    socket.on("error", () => {});
    void (async () => {
      const { job, archive } = JSON.parse(await text(socket)) as Question;
      const answer = await make(job, archive).then(
        (path): Answer => ({ path }),
        (error: unknown): Answer => ({
          error: error instanceof Error ? error.message : String(error),
        }),
      );
      socket.end(JSON.stringify(answer));
    })();
  });
  server.listen(socketPath);
  await once(server, "listening");
  process.env[SOCKET_VARIABLE] = socketPath;
  return () => void server.close();
}

/** Asks the process that serves this run; undefined if none does. */
export async function requestTemplate(
  job: TemplateJob,
  archive?: string,
): Promise<string | undefined> {
  const socketPath = process.env[SOCKET_VARIABLE];
  if (socketPath === undefined) {
    return undefined;
  }
  const socket = createConnection({ path: socketPath, allowHalfOpen: true });
  const question: Question = archive === undefined ? { job } : { job, archive };
  socket.end(JSON.stringify(question));
  const answer = JSON.parse(await text(socket)) as Answer;
  if ("error" in answer) {
    throw new Error(answer.error);
  }
  return answer.path;
}

/**
 * An MCP server on standard input and output with tools that are hard on a model's server: run with
 * `node mcp-server.ts <file>`, where the file holds `[{name, inputSchema}]`. A call answers with its
 * own arguments.
 */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

interface Request {
  readonly id?: number | string;
  readonly method: string;
  readonly params?: { readonly protocolVersion?: string; readonly arguments?: unknown };
}

interface Tool {
  readonly name: string;
  readonly inputSchema: object;
}

const [, , file = ""] = process.argv;
const tools = JSON.parse(readFileSync(file, "utf8")) as Tool[];

function resultOf({ method, params }: Request): object {
  switch (method) {
    case "initialize":
      return {
        protocolVersion: params?.protocolVersion ?? "2025-06-18",
        capabilities: { tools: {} },
        serverInfo: { name: "hard-tools", version: "1.0.0" },
      };
    case "tools/list":
      return { tools: tools.map((tool) => ({ description: "A hard tool.", ...tool })) };
    case "tools/call":
      return { content: [{ type: "text", text: JSON.stringify(params?.arguments) }] };
    default:
      return {};
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as Request;
  if (request.id !== undefined) {
    const reply = { jsonrpc: "2.0", id: request.id, result: resultOf(request) };
    process.stdout.write(`${JSON.stringify(reply)}\n`);
  }
}

/** The documents of this project, read with a Markdown parser: links, headings, code, tables, and the commands in them. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import GithubSlugger from "github-slugger";
import { lexer, type Token, type Tokens, walkTokens } from "marked";
import { projectDir } from "./openclaw/layout.ts";

/** A piece of code in a document. */
export interface Code {
  readonly text: string;
  readonly isBlock: boolean;
}

/** A document. */
export interface Document {
  /** Path from the project's folder, with forward slashes. */
  readonly file: string;
  readonly text: string;
  /** Targets of its links and pictures, as they are written. */
  readonly links: readonly string[];
  /** What a link can point to in it. */
  readonly anchors: ReadonlySet<string>;
  readonly headings: readonly string[];
  readonly code: readonly Code[];
  /** Cells of its tables, the row of titles first, with their markup. */
  readonly tables: readonly (readonly (readonly string[])[])[];
}

function isKind<Kind extends Tokens.Generic["type"], T extends Token>(
  token: Token,
  kind: Kind,
): token is Extract<T, { type: Kind }> {
  return token.type === kind;
}

function read(file: string): Document {
  const text = readFileSync(path.join(projectDir, file), "utf8");
  const slugger = new GithubSlugger();
  const links: string[] = [];
  const anchors = new Set<string>();
  const headings: string[] = [];
  const code: Code[] = [];
  const tables: string[][][] = [];
  void walkTokens(lexer(text), (token) => {
    if (isKind<"link", Tokens.Link>(token, "link")) {
      // `www.kimi.com` in a sentence is no link that somebody wrote.
      if (!token.raw.startsWith("www.")) {
        links.push(token.href);
      }
    } else if (isKind<"image", Tokens.Image>(token, "image")) {
      links.push(token.href);
    } else if (isKind<"html", Tokens.HTML>(token, "html")) {
      links.push(
        ...Array.from(
          token.text.matchAll(/\b(?:href|src|srcset)="([^"]*)"/gu),
          ([, to = ""]) => to,
        ),
      );
    } else if (isKind<"heading", Tokens.Heading>(token, "heading")) {
      headings.push(token.text);
      anchors.add(slugger.slug(plain(token.tokens)));
    } else if (isKind<"code", Tokens.Code>(token, "code")) {
      code.push({ text: token.text, isBlock: true });
    } else if (isKind<"codespan", Tokens.Codespan>(token, "codespan")) {
      code.push({ text: token.text, isBlock: false });
    } else if (isKind<"table", Tokens.Table>(token, "table")) {
      tables.push([token.header, ...token.rows].map((row) => row.map((cell) => cell.text)));
    }
  });
  return { file, text, links, anchors, headings, code, tables };
}

/** What is left of a heading when its markup is gone. */
function plain(tokens: readonly Token[]): string {
  return tokens
    .map((token) => {
      const inner = "tokens" in token ? token.tokens : undefined;
      return inner === undefined
        ? "text" in token
          ? String(token.text)
          : token.raw
        : plain(inner);
    })
    .join("");
}

/** All documents: those at the root, and everything in `docs/`. */
export function documents(): Document[] {
  const atRoot = readdirSync(projectDir).filter((name) => name.endsWith(".md"));
  const below = readdirSync(path.join(projectDir, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => path.posix.join("docs", name.replaceAll(path.sep, "/")));
  return [...atRoot, ...below].map(read);
}

/** An `openclaw …` command: its words, without the command's own name. */
export interface HostCommand {
  readonly file: string;
  readonly words: readonly string[];
}

const START = /(?:^|[\s("'`])(?:openclaw|openclaw-cli) +(?=[a-z-])/gu;

/** The words of a command up to its end, which is a comment, another command or a place for more. */
function wordsOf(command: string): string[] {
  const words: string[] = [];
  // A program's output that a document shows has marks around a command.
  const [bounded = ""] = command.split("`");
  for (const [word] of bounded.matchAll(/"[^"]*"|'[^']*'|[^\s"']+/gu)) {
    if (/^(?:#|;|&&|\|\|?|>|…)/u.test(word)) {
      break;
    }
    // What may be left out stands in brackets.
    const bare = /^["']/u.test(word) ? word.slice(1, -1) : word.replaceAll(/[[\]]/gu, "");
    words.push(bare.replace(/[),;:]$/u, ""));
    if (/^[^"'].*[;:)]$/u.test(word)) {
      break;
    }
  }
  return words;
}

/** Each `openclaw …` command in a text of code. */
export function hostCommandsIn(file: string, code: string): HostCommand[] {
  const lines = code.replaceAll(/\\\n\s*/gu, " ").split("\n");
  return lines.flatMap((line) =>
    Array.from(line.matchAll(START), ({ index, 0: start }) => ({
      file,
      words: wordsOf(line.slice(index + start.length)),
    })).filter(({ words }) => words.length > 0),
  );
}

/** Each `openclaw …` command of the documents. */
export function hostCommands(): HostCommand[] {
  return documents().flatMap(({ file, code }) =>
    code.flatMap(({ text }) => hostCommandsIn(file, text)),
  );
}

/** What a document quotes of messages: what stands between quotation marks, and not in code or a table. */
export function quotesOf({ text }: Document): string[] {
  const prose = text
    .replaceAll(/^\|.*$|`[^`]*`/gmu, "")
    // A quotation may go on in the next line.
    .replaceAll(/(?<=[^\n])\n(?=[^\n#])/gu, " ");
  return Array.from(prose.matchAll(/"(?<quote>[^"\n]+)"/gu), (match) => match[1] ?? "");
}

/** What the tables of a document quote of messages: their first column under "Message says". */
export function quotedRows({ tables }: Document): string[] {
  return tables
    .filter(([titles]) => titles?.[0] === "Message says")
    .flatMap(([, ...rows]) => rows.flatMap(([cell = ""]) => cell.split(/;\s+/u)));
}

/** True where a sentence has the quoted words, with `…` for whatever it is filled with. */
export function isQuotedFrom(quote: string, sentence: string): boolean {
  const pattern = quote
    .replaceAll("`", "")
    .split("…")
    .map((part) => part.trim().replaceAll(/[.*+?^${}()|[\]\\]/gu, String.raw`\$&`))
    .join(".+?");
  return new RegExp(pattern, "u").test(sentence.replaceAll("`", ""));
}

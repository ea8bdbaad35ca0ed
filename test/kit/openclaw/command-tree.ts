/** The host's commands and their options, from the completion that it writes for zsh. */

/** A command. */
export interface CommandNode {
  /** Each option with whether it takes a value. */
  readonly options: ReadonlyMap<string, boolean>;
  /** Its subcommands, by each of their names. */
  readonly subcommands: ReadonlyMap<string, CommandNode>;
}

const FUNCTION = /^(?<name>_openclaw\w*)\(\) \{\n(?<body>[\s\S]*?)^\}/gmu;
/** `"--name[help]:value:"`, or `"(--name -n)"{--name,-n}"[help]:value:"`. */
const OPTION = /^\s*"(?:\([^)]*\)"\{(?<both>[^}]*)\}"|(?<one>-[\w-]+))(?<rest>(?:\\.|[^"\\])*)"/gmu;
const CASE = /^\s*\((?<names>[^)]+)\) (?<called>_openclaw\w+) ;;/gmu;

/** Reads what `openclaw completion --shell zsh` prints. */
export function commandTree(completion: string): CommandNode {
  const bodies = new Map(
    Array.from(completion.matchAll(FUNCTION), ({ groups }) => [
      groups?.["name"] ?? "",
      groups?.["body"] ?? "",
    ]),
  );
  const node = (name: string): CommandNode => {
    const body = bodies.get(name) ?? "";
    const options = new Map<string, boolean>();
    for (const { groups } of body.matchAll(OPTION)) {
      for (const option of (groups?.["both"] ?? groups?.["one"] ?? "").split(",")) {
        options.set(option, groups?.["rest"]?.endsWith(":") === true);
      }
    }
    const subcommands = new Map<string, CommandNode>();
    for (const { groups } of body.matchAll(CASE)) {
      for (const subcommand of (groups?.["names"] ?? "").split("|")) {
        subcommands.set(subcommand, node(groups?.["called"] ?? ""));
      }
    }
    return { options, subcommands };
  };
  return node("_openclaw_root_completion");
}

/** What is wrong with a command's words; undefined if the host has all of them. */
export function faultOf(words: readonly string[], root: CommandNode): string | undefined {
  const path = [root];
  for (let index = 0; index < words.length; index += 1) {
    const current = path.at(-1) ?? root;
    const [word = "", value] = words[index]?.split("=") ?? [];
    if (word.startsWith("-") && word !== "-") {
      const takesValue = path
        .map(({ options }) => options.get(word))
        .find((it) => it !== undefined);
      if (takesValue === undefined && !["--help", "-h"].includes(word)) {
        return `there is no option ${word}`;
      }
      index += takesValue === true && value === undefined ? 1 : 0;
    } else if (current.subcommands.has(word)) {
      path.push(current.subcommands.get(word) ?? root);
    } else if (current.subcommands.size > 0) {
      return `there is no command ${word}`;
    }
  }
  return undefined;
}

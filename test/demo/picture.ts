/**
 * A recorded program's output as an animated picture of a terminal: one SVG without scripts and without fonts of its own,
 * moved by CSS, so that it plays where a page shows it as an image.
 */

/** Some output and when it came. */
export interface Chunk {
  /** From the start of the program, ms. */
  readonly atMs: number;
  readonly text: string;
}

/** Piece of a line, which appears at once. */
interface Piece {
  readonly line: number;
  /** Column of its first character. */
  readonly column: number;
  readonly text: string;
  readonly atMs: number;
  /** When the program went on in this line; absent if it did not. */
  untilMs?: number;
}

/** A longer pause is shown as one of this length, ms. */
const LONGEST_PAUSE_MS = 1500;
/** Each line can be read for a moment before the next one appears, ms. */
const SHORTEST_PAUSE_MS = 180;
/** Before the command's first output, and at the end before the picture starts again, ms. */
const LEAD_MS = 1200;
const REST_MS = 9000;

/** Sizes in px; a character's width is made to fit, whatever font the reader has. */
const CHARACTER = 8.4;
const LINE = 20;
const MARGIN = 18;
const BAR = 34;

const STYLE = `
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;fill:#e6edf3;white-space:pre}
.bold{font-weight:bold}
.done{fill:#56d364}
.cursor{fill:#e6edf3;opacity:0}`;

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** The pieces in the order of their appearance, with pauses as they are shown. */
function pieces(chunks: readonly Chunk[]): Piece[] {
  const found: Piece[] = [];
  let [line, column, recordedMs, shownMs] = [1, 0, chunks[0]?.atMs ?? 0, LEAD_MS];
  for (const { atMs, text } of chunks) {
    const pauseMs = Math.min(atMs - recordedMs, LONGEST_PAUSE_MS);
    recordedMs = atMs;
    for (const [index, part] of text.split("\n").entries()) {
      if (index > 0) {
        [line, column] = [line + 1, 0];
      }
      const shown = part.trim();
      if (shown !== "") {
        const before = found.at(-1);
        const least = before?.line === line ? 0 : SHORTEST_PAUSE_MS;
        shownMs += Math.max(index === 0 ? pauseMs : 0, before === undefined ? 0 : least);
        if (before?.line === line) {
          before.untilMs = shownMs;
        }
        const indent = part.length - part.trimStart().length;
        found.push({ line, column: column + indent, text: shown, atMs: shownMs });
      }
      column += part.length;
    }
  }
  return found;
}

/** A heading is bold, and what a line ends with has a color. */
function styleOf(piece: Piece, before: Piece | undefined): string {
  if (piece.line === before?.line) {
    return ` class="done"`;
  }
  return piece.text.endsWith(":") ? ` class="bold"` : "";
}

/** What is drawn. */
export interface Recording {
  /** What was typed; it is there from the beginning. */
  readonly command: string;
  /** What the picture shows, for those who do not see it. */
  readonly title: string;
  readonly chunks: readonly Chunk[];
}

/**
 * Draws a recording.
 *
 * @param isStill - leaves the motion out: for pages that know what a reader wishes, because a browser does not tell an image
 */
export function drawTerminal({ command, title, chunks }: Recording, isStill = false): string {
  const shown = pieces(chunks);
  const typed = { line: 0, column: 0, text: `$ ${command}`, atMs: 0 };
  const columns = Math.max(...[typed, ...shown].map(({ column, text }) => column + text.length));
  const lines = (shown.at(-1)?.line ?? 0) + 1;
  const width = Math.ceil(columns * CHARACTER) + 2 * MARGIN;
  const height = BAR + lines * LINE + MARGIN;
  const totalMs = (shown.at(-1)?.atMs ?? 0) + REST_MS;

  const percent = (ms: number): string => `${((ms / totalMs) * 100).toFixed(2)}%`;
  const frames = new Map<string, string>();
  const appearing = (atMs: number, untilMs?: number): string => {
    const name = untilMs === undefined ? `a${atMs.toFixed(0)}` : `w${atMs.toFixed(0)}`;
    const end = untilMs === undefined ? "" : `${percent(untilMs)}{opacity:0}`;
    frames.set(name, `@keyframes ${name}{0%{opacity:0}${percent(atMs)}{opacity:1}${end}}`);
    return `style="animation-name:${name}"`;
  };

  const x = (column: number): string => (MARGIN + column * CHARACTER).toFixed(1);
  const y = (line: number): number => BAR + line * LINE + 15;
  const text = (piece: Piece, style: string): string =>
    `<text${style} x="${x(piece.column)}" y="${y(piece.line)}" textLength="${(piece.text.length * CHARACTER).toFixed(1)}"` +
    `${piece.atMs === 0 || isStill ? "" : ` ${appearing(piece.atMs)}`}>${escaped(piece.text)}</text>`;
  const cursor = ({ line, column, text: before, atMs, untilMs }: Piece): string[] =>
    untilMs === undefined || isStill
      ? []
      : [
          `<rect class="cursor" x="${x(column + before.length + 1)}" y="${y(line) - 13}" width="${CHARACTER}" height="17" ${appearing(atMs, untilMs)}/>`,
        ];
  const content = [
    text(typed, ` class="bold"`),
    ...shown.flatMap((piece, index) => [
      text(piece, styleOf(piece, shown[index - 1])),
      ...cursor(piece),
    ]),
  ];
  // Where a reader asks for no motion, the picture is its own last moment.
  const motion = isStill
    ? []
    : [
        `@media (prefers-reduced-motion:no-preference){[style]{animation:${totalMs.toFixed(0)}ms step-end infinite}}`,
        ...frames.values(),
      ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title">
<title id="title">${escaped(title)}</title>
<style>${[STYLE, ...motion].join("\n")}
</style>
<rect x=".5" y=".5" width="${width - 1}" height="${height - 1}" rx="10" fill="#0d1117" stroke="#59636e"/>
<circle cx="20" cy="18" r="6" fill="#ff5f57"/><circle cx="40" cy="18" r="6" fill="#febc2e"/><circle cx="60" cy="18" r="6" fill="#28c840"/>
${content.join("\n")}
</svg>
`;
}

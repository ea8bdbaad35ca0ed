/** What a module imports, in each of the ways in which TypeScript can say so. */
import { readFileSync } from "node:fs";
import { parseSync, Visitor } from "rolldown/utils";

/** One import. */
export interface Import {
  /** As it is written; of a text that is put together, what stands before its first hole. */
  readonly specifier: string;
  /** False for `import type`, `export type` and `typeof import(…)`, which are gone when the code runs. */
  readonly atRuntime: boolean;
  /** Where a text is put together from parts, or is a variable. */
  readonly isComputed: boolean;
}

type Handlers = NonNullable<ConstructorParameters<typeof Visitor>[0]>;
type Call = Parameters<NonNullable<Handlers["CallExpression"]>>[0];
type Expression = Call["callee"];
type Argument = Call["arguments"][number];

function isCreateRequire(expression: Expression | null): boolean {
  return (
    expression?.type === "CallExpression" &&
    expression.callee.type === "Identifier" &&
    expression.callee.name === "createRequire"
  );
}

/** Reads a file's imports; a file with a syntax error is an error. */
export function importsOf(file: string): Import[] {
  const { program, errors } = parseSync(file, readFileSync(file, "utf8"));
  if (errors.length > 0) {
    throw new Error(`${file} has a syntax error: ${errors[0]?.message ?? ""}`);
  }
  const found: Import[] = [];
  /** The names that hold what `createRequire` gave. */
  const requires = new Set(["require"]);
  const add = (specifier: string, atRuntime: boolean): void => {
    found.push({ specifier, atRuntime, isComputed: false });
  };
  const addArgument = (argument: Argument | undefined): void => {
    if (argument?.type === "Literal" && typeof argument.value === "string") {
      add(argument.value, true);
    } else {
      const start = argument?.type === "TemplateLiteral" ? argument.quasis[0]?.value.raw : "";
      found.push({ specifier: start ?? "", atRuntime: true, isComputed: true });
    }
  };
  const isRequire = (callee: Expression): boolean =>
    (callee.type === "Identifier" && requires.has(callee.name)) ||
    // `require.resolve`, and the same of what `createRequire` gave.
    (callee.type === "MemberExpression" && isRequire(callee.object)) ||
    isCreateRequire(callee);

  new Visitor({
    VariableDeclarator: ({ id, init }) => {
      if (id.type === "Identifier" && isCreateRequire(init)) {
        requires.add(id.name);
      }
    },
  }).visit(program);
  new Visitor({
    ImportDeclaration: ({ source, importKind }) => {
      add(source.value, importKind !== "type");
    },
    ExportAllDeclaration: ({ source, exportKind }) => {
      add(source.value, exportKind !== "type");
    },
    ExportNamedDeclaration: ({ source, exportKind }) => {
      if (source !== null) {
        add(source.value, exportKind !== "type");
      }
    },
    ImportExpression: ({ source }) => {
      addArgument(source);
    },
    TSImportType: ({ source }) => {
      add(source.value, false);
    },
    TSExternalModuleReference: ({ expression }) => {
      add(expression.value, true);
    },
    CallExpression: ({ callee, arguments: [first] }) => {
      if (isRequire(callee)) {
        addArgument(first);
      }
    },
    NewExpression: ({ callee, arguments: [first] }) => {
      // A worker's file is an import, too; a URL beside this module is one that something loads.
      if (callee.type === "Identifier" && callee.name === "URL") {
        if (first?.type === "Literal" && String(first.value).startsWith(".")) {
          add(String(first.value), true);
        }
      }
    },
  }).visit(program);
  return found;
}

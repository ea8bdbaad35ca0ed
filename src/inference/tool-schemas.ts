/**
 * Tool parameters as Kimi takes them. A schema that the server refuses costs the whole request, also
 * for tools that are never called, so what goes out passes Moonshot's own validator; and it takes
 * each value that the tool's own schema takes, so that no call is ruled out.
 */

import type { ProviderPlugin } from "openclaw/plugin-sdk/plugin-entry";
import { isRecord } from "../json.ts";
import { objectSchema } from "./schemas/root.ts";

type NormalizeHook = NonNullable<ProviderPlugin["normalizeToolSchemas"]>;
type Tools = Parameters<NormalizeHook>[0]["tools"];
type InspectHook = NonNullable<ProviderPlugin["inspectToolSchemas"]>;
type Diagnostic = NonNullable<ReturnType<InspectHook>>[number];

/** Parameters of no tool in particular: an object with whatever in it. */
const ANY_OBJECT = { type: "object", properties: {} };

/** What came from here, and what it came from; the host keeps a tool's parameters for a whole run. */
const converted = new WeakMap<object, object>();
/** Properties that a converted schema could not declare. */
const undeclared = new WeakMap<object, readonly string[]>();

/** A tool's parameters as Kimi takes them; the same object for the same parameters. */
export function kimiToolSchema(parameters: unknown): object {
  if (!isRecord(parameters)) {
    return ANY_OBJECT;
  }
  const known = converted.get(parameters);
  if (known !== undefined) {
    return known;
  }
  const { schema, undeclared: names } = objectSchema(parameters);
  converted.set(parameters, schema);
  converted.set(schema, schema);
  undeclared.set(schema, names);
  return schema;
}

/** A tool, as far as its parameters go. */
interface NamedTool {
  readonly name: string;
  readonly parameters: unknown;
}

/**
 * The converted parameters of a call's tools by name, for the body: the host's transports write
 * references out, which is what the definitions in here are for. Names that occur twice are left out.
 */
export function schemasByName(
  tools: readonly NamedTool[] | undefined,
): ReadonlyMap<string, object> {
  const groups = Map.groupBy(tools ?? [], ({ name }) => name);
  return new Map(
    [...groups].flatMap(([name, [tool, ...others]]) =>
      tool === undefined || others.length > 0 ? [] : [[name, kimiToolSchema(tool.parameters)]],
    ),
  );
}

/** `normalizeToolSchemas`: the tools of a run, each converted once. */
export function normalizeToolSchemas({ tools }: { readonly tools: Tools }): Tools {
  return tools.map((tool) => {
    const parameters = kimiToolSchema(tool.parameters) as typeof tool.parameters;
    return parameters === tool.parameters ? tool : { ...tool, parameters };
  });
}

/** `inspectToolSchemas`: what of a tool Kimi cannot be told in keywords; the host logs it. */
export function inspectToolSchemas({ tools }: { readonly tools: Tools }): Diagnostic[] {
  return tools.flatMap(({ name, parameters }, toolIndex) => {
    const names = undeclared.get(kimiToolSchema(parameters)) ?? [];
    return names.length === 0
      ? []
      : [
          {
            toolName: name,
            toolIndex,
            violations: names.map(
              (property) => `${name}.parameters.properties.${property}: Kimi reserves this name`,
            ),
          },
        ];
  });
}

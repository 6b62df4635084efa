// The options as Markdown tables for the README, from the JSON Schema: a test compares the README with this.
import { jsonSchema, type SchemaNode } from "./json-schema.ts";

export function optionTables(): string {
  const root = jsonSchema();
  const storage = childOf(root.properties?.["persistence"]?.additionalProperties);
  const entry = (list: string): SchemaNode =>
    childOf(storage.properties?.[list]?.items?.anyOf?.find((one) => one.properties !== undefined));
  return [
    table("The file", root),
    table('A storage: `persistence."/path"`', storage),
    table("A directory: an entry of `directories`", entry("directories")),
    table("A file: an entry of `files`", entry("files")),
  ].join("\n\n");
}

const childOf = (node: SchemaNode | boolean | undefined): SchemaNode => (typeof node === "object" ? node : {});

function table(title: string, node: SchemaNode): string {
  return [`**${title}**`, "", "| option | type | default | |", "| --- | --- | --- | --- |", ...rows("", node)].join("\n");
}

// An object that is written out in place shows as its members: `parentDirectory.mode`.
function rows(prefix: string, node: SchemaNode): string[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, option]) =>
    option.properties === undefined
      ? [
          `| \`${prefix}${name}\` | ${typeOf(option)} | ${defaultOf(option, node.required?.includes(name) === true)} | ${cell(option.description ?? "")} |`,
        ]
      : rows(`${prefix}${name}.`, option),
  );
}

function typeOf(node: SchemaNode): string {
  if (node.enum !== undefined) return cell(node.enum.map((value) => `\`${JSON.stringify(value)}\``).join(", "));
  if (node.anyOf !== undefined) return node.anyOf.map(typeOf).join(" or ");
  if (node.type === "array") return `list of ${node.items === undefined ? "anything" : typeOf(node.items)}`;
  if (node.additionalProperties !== undefined && node.additionalProperties !== false) return "object, by path";
  return [node.type ?? "anything"].flat().join(" or ");
}

function defaultOf(node: SchemaNode, required: boolean): string {
  if (required) return "required";
  return node.default === undefined ? "" : `\`${JSON.stringify(node.default)}\``;
}

const cell = (text: string): string => text.replaceAll("|", "\\|");

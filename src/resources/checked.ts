import { z } from "zod";
import { MillraceError, projectName } from "../base/index.ts";
import type { JSONValue } from "../storage/index.ts";
import { same } from "./difference.ts";
import { type Explained, explain } from "./explain.ts";
import { addressOf, describeName, type Kind, type ResourceName } from "./kind.ts";
import { labelsSchema } from "./manifests.ts";
import type { ManifestInput, Resource } from "./resource.ts";

/** An input that its kind has accepted. */
export interface Checked {
  readonly kind: Kind;
  readonly ref: ResourceName;
  readonly address: string;
  /** null: labels stay as they are. */
  readonly labels: Readonly<Record<string, string>> | null;
  readonly spec: unknown;
  /** The same as the JSON that is stored. */
  readonly stored: JSONValue;
  /** What it cannot be without: its project, and what the kind says. */
  readonly owners: readonly ResourceName[];
}

// Also the names of tokens (hex) and grants (DATASET.USER).
const namePattern = /^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/;
const json: z.ZodType<JSONValue> = z.json();

/** @throws bad_manifest, bad_name */
export function check(kind: Kind, input: ManifestInput): Checked {
  if (!namePattern.test(input.name) || input.name.length > 255) {
    throw new MillraceError("bad_name", `"${input.name.slice(0, 100)}" is not a name for a ${kind.kind}.`, {
      hint: 'Use lower-case letters, digits, and ".", "_", "-" between them.',
      ...at(input, ["name"]),
    });
  }
  kind.checkName?.(input.name);
  const project = checkProject(kind, input);
  const parsed = kind.schema.safeParse(input.spec, { reportInput: true });
  if (!parsed.success) throw wrong(input, "spec", explain(parsed.error, kind.schema));
  const labels = input.labels === undefined ? null : labelsSchema.safeParse(input.labels);
  if (labels?.success === false) throw wrong(input, "labels", explain(labels.error, labelsSchema));
  const stored = json.parse(parsed.data);
  for (const [path, text] of textsOf([stored, labels?.data ?? {}])) {
    if (text.isWellFormed() && !text.includes("\0")) continue;
    throw new MillraceError(
      "bad_manifest",
      `The ${describeName({ ...input, project })} holds a text that is no Unicode.`,
      {
        hint: "Texts hold neither the character NUL nor half a surrogate pair.",
        ...at(input, path[0] === 0 ? ["spec", ...path.slice(1)] : ["labels"]),
      },
    );
  }
  const ref = { kind: kind.kind, project, name: input.name };
  return {
    kind,
    ref,
    address: addressOf(ref),
    labels: labels?.data ?? null,
    spec: parsed.data,
    stored,
    owners: [
      ...(project === null ? [] : [{ kind: "Project", project: null, name: project }]),
      ...(kind.owners?.({ project, name: input.name, spec: parsed.data }) ?? []),
    ],
  };
}

function checkProject(kind: Kind, input: ManifestInput): string | null {
  if (kind.scope === "organization") {
    if (!input.project) return null;
    throw new MillraceError("bad_manifest", `A ${kind.kind} belongs to the organization, not to a project.`, {
      hint: "Leave `project` out.",
      ...at(input, ["project"]),
    });
  }
  if (input.project) return projectName(input.project);
  throw new MillraceError("bad_manifest", `A ${kind.kind} belongs to a project: say which.`, {
    hint: 'Add "project: NAME".',
    ...at(input, []),
  });
}

/** @throws bad_manifest where a member changes that cannot */
export function checkImmutable(kind: Kind, before: Resource, checked: Checked, input: ManifestInput): void {
  const stored = new Map(Object.entries(Object(before.spec)));
  const wanted = new Map(Object.entries(Object(checked.spec)));
  const changed = (kind.immutable ?? []).find((member) => !same(stored.get(member), wanted.get(member)));
  const moved = (kind.native ?? []).find((member) => stored.has(member) !== wanted.has(member));
  if (changed === undefined && moved === undefined) return;
  const said =
    changed === undefined
      ? `"${moved}" of a ${kind.kind} cannot come or go`
      : `"${changed}" of a ${kind.kind} cannot change`;
  throw new MillraceError("bad_manifest", `The member ${said}.`, {
    hint: "Delete it and make it anew.",
    ...at(input, ["spec", changed ?? moved ?? ""]),
  });
}

function wrong(input: ManifestInput, member: "spec" | "labels", explained: Explained): MillraceError {
  const { text, path, onKey, hint } = explained;
  return new MillraceError("bad_manifest", `The ${member} of ${input.kind} ${input.name} is wrong: ${text}`, {
    ...(hint === null ? {} : { hint }),
    ...at(input, [member, ...path], onKey),
  });
}

function at(input: ManifestInput, path: readonly PropertyKey[], onKey = false) {
  return input.locate === undefined ? {} : { position: input.locate(path, onKey) };
}

/** Every text of a JSON value, names of members too, with its place. */
function* textsOf(value: unknown, path: readonly PropertyKey[] = []): Generator<[readonly PropertyKey[], string]> {
  if (typeof value === "string") yield [path, value];
  if (Array.isArray(value)) for (const [index, item] of value.entries()) yield* textsOf(item, [...path, index]);
  else if (typeof value === "object" && value !== null) {
    for (const [name, item] of Object.entries(value)) {
      yield [path, name];
      yield* textsOf(item, [...path, name]);
    }
  }
}

import { z } from "zod";
import { MillraceError } from "./errors.ts";
import { nearest } from "./names.ts";

/** One setting: its schema, default and sentence stand together, so that code, `millrace config` and docs agree. */
export interface Setting<Value> {
  readonly schema: z.ZodType<Value>;
  readonly default: Value;
  readonly description: string;
  /** Shown as `(hidden)`. */
  readonly secret?: boolean;
  /** A short flag of the command line besides `--the.name`, without dashes. */
  readonly flag?: string;
}

/** Settings by dotted name, as in `http.port`. */
// biome-ignore lint/suspicious/noExplicitAny: the value type differs by entry; `ConfigValues` gives each back exactly.
export type Settings = Readonly<Record<string, Setting<any>>>;

export type ConfigValues<Tree extends Settings> = {
  readonly [Name in keyof Tree]: Tree[Name] extends Setting<infer Value> ? Value : never;
};

export type ConfigOrigin =
  | { readonly kind: "flag"; readonly name: string }
  | { readonly kind: "environment"; readonly name: string }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "default" };

export interface ConfigEntry {
  readonly name: string;
  readonly value: unknown;
  readonly origin: ConfigOrigin;
  readonly description: string;
  readonly secret: boolean;
}

export interface Config<Tree extends Settings> {
  readonly values: ConfigValues<Tree>;
  readonly entries: readonly ConfigEntry[];
}

export interface ConfigSources {
  /** Flags by dotted name or by the setting's short flag. */
  readonly flags: Readonly<Record<string, string | boolean>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The parsed configuration file: a tree whose paths are setting names. */
  readonly file: { readonly path: string; readonly tree: unknown } | null;
}

/** `http.port` is `MILLRACE_HTTP_PORT`, `dataDir` is `MILLRACE_DATA_DIR`. */
export function environmentName(setting: string): string {
  return `MILLRACE_${setting
    .replace(/([a-z])([A-Z])/g, "$1_$2")
    .replaceAll(".", "_")
    .toUpperCase()}`;
}

/**
 * Decides every setting: flags before environment before file before default.
 * @param reserved environment names that begin with MILLRACE_ and are no settings.
 * @throws bad_config on an unknown key or a bad value, naming the nearest valid name.
 */
export function resolveConfig<Tree extends Settings>(
  settings: Tree,
  sources: ConfigSources,
  reserved: readonly string[] = [],
): Config<Tree> {
  const names = Object.keys(settings);
  const given = new Map<string, { raw: unknown; origin: ConfigOrigin }>();
  for (const [path, raw] of flatten(sources.file?.tree ?? {}, names)) {
    given.set(known(path, names, `in ${sources.file?.path}`), {
      raw,
      origin: { kind: "file", path: sources.file?.path ?? "" },
    });
  }
  const byEnvironment = new Map(names.map((name) => [environmentName(name), name]));
  for (const [variable, raw] of Object.entries(sources.environment)) {
    if (raw === undefined || !variable.startsWith("MILLRACE_") || reserved.includes(variable)) continue;
    const name =
      byEnvironment.get(variable) ?? unknownKey(variable, [...byEnvironment.keys(), ...reserved], "in the environment");
    given.set(name, { raw, origin: { kind: "environment", name: variable } });
  }
  const byFlag = new Map(names.flatMap((name) => [name, settings[name]?.flag ?? name].map((flag) => [flag, name])));
  for (const [flag, raw] of Object.entries(sources.flags)) {
    const name =
      byFlag.get(flag) ??
      unknownKey(
        `--${flag}`,
        [...byFlag.keys()].map((key) => `--${key}`),
        "on the command line",
      );
    given.set(name, { raw, origin: { kind: "flag", name: `--${flag}` } });
  }
  const entries = Object.entries(settings).map(([name, setting]) => decide(name, setting, given.get(name)));
  const values = Object.fromEntries(entries.map((entry) => [entry.name, entry.value]));
  // The tree's own schemas have just produced each value, so the mapped type holds by construction.
  return { values: values as ConfigValues<Tree>, entries };
}

function decide(
  name: string,
  setting: Setting<unknown>,
  given: { raw: unknown; origin: ConfigOrigin } | undefined,
): ConfigEntry {
  const about = { name, description: setting.description, secret: setting.secret ?? false };
  if (given === undefined) return { ...about, value: setting.default, origin: { kind: "default" } };
  const parsed = setting.schema.safeParse(given.raw);
  if (parsed.success) return { ...about, value: parsed.data, origin: given.origin };
  const shown = setting.secret ? "(hidden)" : JSON.stringify(given.raw);
  throw new MillraceError(
    "bad_config",
    `${describeOrigin(given.origin)}: ${name} cannot be ${shown}: ${issueText(parsed.error)}.`,
    {
      hint: setting.description,
    },
  );
}

export function describeOrigin(origin: ConfigOrigin): string {
  switch (origin.kind) {
    case "flag":
      return `flag ${origin.name}`;
    case "environment":
      return `environment ${origin.name}`;
    case "file":
      return `file ${origin.path}`;
    case "default":
      return "default";
  }
}

function issueText(error: z.ZodError): string {
  return error.issues.map((issue) => issue.message.replace(/^Invalid input: /, "")).join("; ");
}

function known(name: string, names: readonly string[], where: string): string {
  return names.includes(name) ? name : unknownKey(name, names, where);
}

function unknownKey(name: string, candidates: readonly string[], where: string): never {
  const near = nearest(name, candidates);
  throw new MillraceError("bad_config", `There is no setting "${name}" (${where}).`, {
    hint: near === null ? "`millrace config` lists every setting." : `Did you mean "${near}"?`,
  });
}

/** Leaves of a tree by dotted path; descends only while no setting has that very name. */
function* flatten(tree: unknown, names: readonly string[], prefix = ""): Generator<[string, unknown]> {
  const branch = z.record(z.string(), z.unknown()).safeParse(tree);
  if (!branch.success) {
    if (prefix === "" && tree !== null) {
      throw new MillraceError("bad_config", "The configuration file must be a tree of settings.", {
        hint: 'Write YAML such as "http:\\n  port: 8080".',
      });
    }
    if (prefix !== "") yield [prefix, tree];
    return;
  }
  for (const [key, value] of Object.entries(branch.data)) {
    const path = prefix === "" ? key : `${prefix}.${key}`;
    if (names.includes(path)) yield [path, value];
    else yield* flatten(value, names, path);
  }
}

const numberLike = (text: unknown) => (typeof text === "string" && /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text);

const whole = (sentence: string) => z.int(sentence);

/** Schemas for settings, which arrive as text from flags and environment and as values from YAML. */
export const configTypes = {
  text: z.string().min(1),
  port: z.preprocess(numberLike, whole("say a port from 0 to 65535").min(0).max(65_535)),
  count: z.preprocess(numberLike, whole("say a whole number from 1 on").min(1)),
  milliseconds: z.preprocess(numberLike, whole("say a whole number of milliseconds").min(0)),
  /** Bytes, also as `64MB` or `2GiB`. */
  bytes: z.preprocess(parseBytes, whole("say a number of bytes, as 500000, 64MB or 2GiB").min(0)),
  flag: z.preprocess(
    (raw) => (raw === "true" || raw === "1" ? true : raw === "false" || raw === "0" ? false : raw),
    z.boolean("say true or false"),
  ),
} as const;

function parseBytes(raw: unknown): unknown {
  if (typeof raw !== "string") return raw;
  const match = /^(\d+(?:\.\d+)?)\s*(k|m|g|t)?(i?b)?$/i.exec(raw.trim());
  if (match === null) return raw;
  const [, amount = "", unit = "", tail = ""] = match;
  const base = tail.toLowerCase() === "ib" ? 1024 : 1000;
  const power = ["", "k", "m", "g", "t"].indexOf(unit.toLowerCase());
  return Math.round(Number(amount) * base ** power);
}

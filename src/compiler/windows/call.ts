import { MillraceError } from "../../base/index.ts";
import { positionInText, type Statement } from "../parse/statement.ts";
import { foldName, isNode, locationOf, nodesOf, type TreeNode, textOf } from "../tree/tree.ts";
import { constantIntervalMs } from "./interval.ts";

/** Which windows rows are in. They align to 1970-01-01 in UTC. */
export type WindowShape =
  | { readonly kind: "tumble"; readonly sizeMs: number }
  /** A row is in `sizeMs / slideMs` windows. */
  | { readonly kind: "hop"; readonly slideMs: number; readonly sizeMs: number }
  /** Rows of equal partition columns, in order of time, each less than the gap behind the one before. */
  | { readonly kind: "session"; readonly gapMs: number; readonly partition: readonly string[] };

/** A call of a window function in FROM, taken apart. */
export interface WindowArguments {
  /** The reference that names the rows: a dataset, or a CTE. */
  readonly rows: TreeNode;
  readonly timeColumn: string;
  readonly shape: WindowShape;
}

/** A hop may put a row into so many windows, and no more. */
const maxWindowsOfRow = 10_000;
const maxSizeMs = 36_525 * 86_400_000;

const forms: Readonly<Record<string, string>> = {
  tumble: "tumble(PROJECT.DATASET, time_column, INTERVAL '1 minute')",
  hop: "hop(PROJECT.DATASET, time_column, INTERVAL '1 minute', INTERVAL '5 minutes'): the slide, then the size",
  session: "session(PROJECT.DATASET, time_column, INTERVAL '30 minutes', partition_column, ...)",
};

/** Null where the reference calls another function. @throws sql_binding with the place of what is wrong */
export function readWindowCall(statement: Statement, reference: TreeNode): WindowArguments | null {
  const call = reference.type === "TABLE_FUNCTION" && !("class" in reference) ? reference.function : null;
  if (!isNode(call) || textOf(call, "schema") !== "" || textOf(call, "catalog") !== "") return null;
  const name = foldName(textOf(call, "function_name"));
  const form = forms[name];
  if (form === undefined || !Object.hasOwn(forms, name)) return null;
  return new Arguments(statement, reference, call, `Write ${form}.`).read(name);
}

class Arguments {
  readonly #statement: Statement;
  readonly #reference: TreeNode;
  readonly #call: TreeNode;
  readonly #given: readonly TreeNode[];
  readonly #hint: string;

  constructor(statement: Statement, reference: TreeNode, call: TreeNode, hint: string) {
    this.#statement = statement;
    this.#reference = reference;
    this.#call = call;
    this.#given = nodesOf(call.children);
    this.#hint = hint;
  }

  read(name: string): WindowArguments {
    this.#refuseDecoration(name);
    const rows = this.#rows();
    const timeColumn = this.#columnAt(1, "The time column");
    return { rows, timeColumn, shape: this.#shape(name) };
  }

  #shape(name: string): WindowShape {
    switch (name) {
      case "tumble": {
        this.#expectCount(3);
        return { kind: "tumble", sizeMs: this.#intervalAt(2, "The size of the windows") };
      }
      case "hop": {
        this.#expectCount(4);
        const slideMs = this.#intervalAt(2, "The slide of the windows");
        return { kind: "hop", slideMs, sizeMs: this.#sizeOfHop(slideMs) };
      }
      default: {
        const gapMs = this.#intervalAt(2, "The gap between sessions");
        const partition = this.#given.slice(3).map((_, index) => this.#columnAt(3 + index, "A partition column"));
        return { kind: "session", gapMs, partition };
      }
    }
  }

  #sizeOfHop(slideMs: number): number {
    const sizeMs = this.#intervalAt(3, "The size of the windows");
    if (sizeMs % slideMs !== 0) this.#fail("The size of the windows is no multiple of their slide", this.#given[3]);
    if (sizeMs / slideMs > maxWindowsOfRow)
      this.#fail(`A row would be in ${sizeMs / slideMs} windows, and ${maxWindowsOfRow} is the most`, this.#given[3]);
    return sizeMs;
  }

  #rows(): TreeNode {
    const rows = this.#given[0];
    const names = rows === undefined ? null : namesOf(rows);
    if (rows === undefined || names === null || names.length > 2)
      this.#fail("The first argument names a dataset, as PROJECT.DATASET", rows);
    return rows;
  }

  #columnAt(index: number, what: string): string {
    const given = this.#given[index];
    const [name, ...more] = (given === undefined ? null : namesOf(given)) ?? [];
    if (name === undefined || more.length > 0) this.#fail(`${what} is a column's name`, given);
    return name;
  }

  #intervalAt(index: number, what: string): number {
    const given = this.#given[index];
    const ms = constantIntervalMs(given);
    if (ms === null || ms <= 0 || ms > maxSizeMs)
      this.#fail(`${what} is a constant interval of weeks, days, hours, minutes, seconds or milliseconds`, given);
    return ms;
  }

  #expectCount(count: number): void {
    const surplus = this.#given[count];
    if (surplus !== undefined) this.#fail(`More than ${count} arguments are given`, surplus);
  }

  /** What a call in FROM may also say, and none of these functions knows. */
  #refuseDecoration(name: string): void {
    const orders = isNode(this.#call.order_bys) ? nodesOf(this.#call.order_bys.orders) : [];
    const isDecorated = this.#call.distinct === true || isNode(this.#call.filter) || orders.length > 0;
    if (isDecorated || this.#reference.with_ordinality === "WITH_ORDINALITY")
      this.#fail(`${name} takes its arguments and nothing else`, this.#reference);
    const labelled = this.#given.find((one) => textOf(one, "alias") !== "");
    if (labelled !== undefined) this.#fail(`The arguments of ${name} have no names`, labelled);
  }

  #fail(message: string, at: TreeNode | undefined): never {
    const place = locationOf(at ?? this.#reference) ?? locationOf(this.#reference);
    throw new MillraceError("sql_binding", `${message}.`, {
      hint: this.#hint,
      ...(place === null ? {} : { position: positionInText(this.#statement, place) }),
    });
  }
}

/** The parts of a name; null for another expression. */
export function namesOf(expression: TreeNode): readonly string[] | null {
  const names = expression.class === "COLUMN_REF" ? expression.column_names : null;
  return Array.isArray(names) && names.length > 0 && names.every((name) => typeof name === "string") ? names : null;
}

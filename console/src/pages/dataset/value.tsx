import type { ReactNode } from "react";
import { shown } from "../../design/shown.ts";
import css from "./value.module.css";

/** A value on one line. Nested values are JSON. */
export function textOf(value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (typeof value === "string") return value;
  return JSON.stringify(value);
}

/** A value of a row: what is missing, nested and plain look different. Whatever it holds, it is only text. */
export function Value({ value }: { readonly value: unknown }): ReactNode {
  if (value === null || value === undefined) return <span className={css.none}>null</span>;
  if (typeof value === "object") return <bdi className={css.nested}>{shown(JSON.stringify(value))}</bdi>;
  if (value === "") return <span className={css.none}>empty</span>;
  return <bdi>{shown(String(value))}</bdi>;
}

import { type Column, isMoment, isNumeric } from "../result/column.ts";
import type { Role } from "./choose.ts";

export const roleOf = (column: Column): Role =>
  isMoment(column) ? "moment" : isNumeric(column) ? "number" : "category";

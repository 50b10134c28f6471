import type { DatasetDefinition } from "../contract.ts";
import { type Column, parseType } from "../convert/types.ts";
import type { CommitRequest } from "./committer.ts";

/** The request with the columns that the dataset's definition declares. */
export function withDefinition<R extends Pick<CommitRequest, "batch">>(request: R, definition: DatasetDefinition): R {
  const declaredColumns: Column[] = (definition.columns ?? []).map(({ name, type }) => ({
    name,
    type: parseType(type),
  }));
  const declared = new Set(declaredColumns.map((column) => column.name.toLowerCase()));
  return { ...request, batch: { ...request.batch, declared, declaredColumns } };
}

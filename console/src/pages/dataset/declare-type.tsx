import { useQuery } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import { Button, Field, Select } from "../../design/controls.tsx";
import { ErrorPanel } from "../../design/display.tsx";
import { ownColumns } from "./own-columns.ts";
import { usePlace } from "./place.ts";
import css from "./quarantine.module.css";
import { reasonsQuery } from "./quarantine-reads.ts";
import { columnsQuery } from "./reads.ts";
import { widerTypes } from "./wider.ts";

/** Another type for a column, such that the rows that are there can have it; the column that refused most rows comes first. */
export function DeclareType({
  isBusy,
  onDeclare,
}: {
  readonly isBusy: boolean;
  readonly onDeclare: (name: string, type: string) => void;
}): ReactNode {
  const { project, dataset } = usePlace();
  const { data: columns = [], error } = useQuery(columnsQuery(project, dataset, undefined));
  const { data: reasons = [] } = useQuery(reasonsQuery(project, dataset, undefined));
  const [chosen, setChosen] = useState<string | null>(null);
  const [wanted, setWanted] = useState<string | null>(null);
  const open = columns.filter(({ name, type }) => !ownColumns.has(name) && widerTypes(type).length > 0);
  const refusing = reasons.find((reason) => open.some(({ name }) => name === reason.column))?.column;
  const column = open.find(({ name }) => name === (chosen ?? refusing)) ?? open[0];
  if (error !== null) return <ErrorPanel error={error} />;
  if (column === undefined) return null;
  const types = widerTypes(column.type);
  const type = wanted !== null && types.includes(wanted) ? wanted : (types.at(-1) ?? "");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onDeclare(column.name, type);
  };
  return (
    <form className={css.declare} onSubmit={submit}>
      <Field label="Column">
        {(tie) => (
          <Select {...tie} value={column.name} onChange={({ target }) => setChosen(target.value)}>
            {open.map(({ name, type: now }) => (
              <option key={name} value={name}>
                {`${name}, ${now}`}
              </option>
            ))}
          </Select>
        )}
      </Field>
      <Field label="Becomes">
        {(tie) => (
          <Select {...tie} value={type} onChange={({ target }) => setWanted(target.value)}>
            {types.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </Select>
        )}
      </Field>
      <Button type="submit" disabled={isBusy}>
        Declare the type
      </Button>
    </form>
  );
}

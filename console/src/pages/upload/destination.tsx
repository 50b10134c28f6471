import { useQuery } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useId, useState } from "react";
import { datasetsQuery } from "../../api/queries.ts";
import type { Dataset, Preview } from "../../api/types.ts";
import { Button, Field, Input, Select } from "../../design/controls.tsx";
import { Name, Warning } from "../../design/display.tsx";
import { count } from "../../design/format.ts";
import { formatLabel, formats, timeColumns } from "./preview.ts";
import { wrongName } from "./send.ts";
import css from "./upload.module.css";

export interface Place {
  readonly project: string;
  readonly dataset: string;
}

export interface Target extends Place {
  readonly format: string;
  readonly eventTime: string | null;
}

/** Which dataset the rows go to, and how they are read. */
export function Destination({
  place,
  onPlace,
  known,
  preview,
  format,
  onFormat,
  isBusy,
  onSend,
}: {
  readonly place: Place;
  readonly onPlace: (place: Place) => void;
  /** The dataset that is there by that name. */
  readonly known: Dataset | undefined;
  readonly preview: Preview | undefined;
  readonly format: string;
  readonly onFormat: (format: string) => void;
  readonly isBusy: boolean;
  readonly onSend: (target: Target) => void;
}): ReactNode {
  const { data: datasets = [] } = useQuery(datasetsQuery);
  const { project, dataset } = place;
  const setProject = (now: string) => onPlace({ project: now, dataset });
  const setDataset = (now: string) => onPlace({ project, dataset: now });
  const [eventTime, setEventTime] = useState("");
  const lists = useId();
  const times = preview === undefined ? [] : timeColumns(preview);
  const wrong = wrongName(project) ?? wrongName(dataset);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onSend({ project, dataset, format, eventTime: eventTime === "" ? null : eventTime });
  };
  const isListed = format === "" || formats.some(({ value }) => value === format);
  const options = isListed ? formats : [{ value: format, label: `${formatLabel(format)}, as found` }, ...formats];

  return (
    <form className={css.form} onSubmit={submit}>
      <div className={css.pair}>
        <Field label="Project" wrong={wrongName(project)}>
          {(tie) => (
            <Input
              {...tie}
              list={`${lists}-projects`}
              value={project}
              onChange={({ target }) => setProject(target.value)}
              spellCheck={false}
              required
            />
          )}
        </Field>
        <Field label="Dataset" wrong={wrongName(dataset)}>
          {(tie) => (
            <Input
              {...tie}
              list={`${lists}-datasets`}
              value={dataset}
              onChange={({ target }) => setDataset(target.value)}
              spellCheck={false}
              required
            />
          )}
        </Field>
      </div>
      <datalist id={`${lists}-projects`}>
        {[...new Set(datasets.map((one) => one.project))].map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
      <datalist id={`${lists}-datasets`}>
        {datasets
          .filter((one) => one.project === project)
          .slice(0, 500)
          .map((one) => (
            <option key={one.dataset} value={one.dataset} />
          ))}
      </datalist>
      {wrong === null && <Meeting known={known} preview={preview} />}
      <Field label="Format">
        {(tie) => (
          <Select {...tie} value={format} onChange={({ target }) => onFormat(target.value)} required>
            {format === "" && <option value="">Choose the format</option>}
            {options.map(({ value, label }) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </Select>
        )}
      </Field>
      <Field label="Event time" help="When a row happened. Without it, the time of its arrival stands.">
        {(tie) => (
          <Select {...tie} value={eventTime} onChange={({ target }) => setEventTime(target.value)}>
            <option value="">Time of arrival</option>
            {times.map((column) => (
              <option key={column} value={column}>
                {column}
              </option>
            ))}
          </Select>
        )}
      </Field>
      <Button type="submit" look="primary" icon="upload" disabled={isBusy || wrong !== null || format === ""}>
        {known === undefined ? "Create the dataset" : "Add the rows"}
      </Button>
    </form>
  );
}

const own = new Set(["offset", "op", "system_time", "event_time"]);

/** What the file meets there: nothing yet, or a dataset whose columns it has, lacks, or widens. */
function Meeting({
  known,
  preview,
}: {
  readonly known: Dataset | undefined;
  readonly preview: Preview | undefined;
}): ReactNode {
  if (known === undefined) return <p className={css.meeting}>A new dataset is made.</p>;
  if (known.schema === null)
    return <p className={css.meeting}>It is there and empty: its columns come with these rows.</p>;
  const there = new Set(known.schema?.map(({ name }) => name).filter((name) => !own.has(name)));
  const added = there.size === 0 ? [] : (preview?.columns.filter(({ name }) => !there.has(name)) ?? []);
  return (
    <div className={css.meeting}>
      <p>
        The rows are added to the {count(known.rows)} that <Name>{`${known.project}.${known.dataset}`}</Name> has.
      </p>
      {added.length > 0 && (
        <p>
          <Warning>new columns</Warning>{" "}
          {added.slice(0, 8).map(({ name }, at) => (
            <span key={name}>
              {at > 0 && ", "}
              <Name>{name}</Name>
            </span>
          ))}
          {added.length > 8 && ` and ${count(added.length - 8)} more`}
        </p>
      )}
    </div>
  );
}

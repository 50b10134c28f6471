import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { settingsQuery } from "../../api/queries.ts";
import type { Setting } from "../../api/types.ts";
import { SearchInput } from "../../design/controls.tsx";
import { Badge, Card, Data, DataTable, EmptyState, ErrorPanel, Page, SkeletonRows } from "../../design/display.tsx";
import { bytes, duration } from "../../design/format.ts";
import css from "./settings.module.css";

/** Each setting of the server, its value, and where that comes from. Settings are changed where they come from, not here. */
export function Settings(): ReactNode {
  const { data, error, isPending, refetch } = useQuery(settingsQuery);
  const [find, setFind] = useState("");
  const wanted = find.toLowerCase();
  const shown =
    data?.settings.filter(({ name, description }) => `${name} ${description}`.toLowerCase().includes(wanted)) ?? [];
  const groups = Map.groupBy(shown, ({ name }) => (name.includes(".") ? name.slice(0, name.indexOf(".")) : "server"));
  return (
    <Page
      title="Settings"
      about="Read only: a setting is changed by flag, environment or configuration file, and holds from the next start."
      actions={
        <div className={css.find}>
          <SearchInput label="Find a setting" value={find} onChange={({ target }) => setFind(target.value)} />
        </div>
      }
    >
      {error !== null && <ErrorPanel error={error} again={() => void refetch()} />}
      {isPending && (
        <Card flush>
          <SkeletonRows rows={10} />
        </Card>
      )}
      {data !== undefined && shown.length === 0 && (
        <Card>
          <EmptyState title="No setting is called so" />
        </Card>
      )}
      {[...groups].map(([group, settings]) => (
        <Card key={group} title={group} flush>
          <SettingTable group={group} settings={settings} />
        </Card>
      ))}
    </Page>
  );
}

function SettingTable({
  group,
  settings,
}: {
  readonly group: string;
  readonly settings: readonly Setting[];
}): ReactNode {
  return (
    <DataTable
      label={`Settings of ${group}`}
      rows={settings}
      keyOf={({ name }) => name}
      columns={[
        {
          head: "Setting",
          width: "45%",
          cell: ({ name, description }) => (
            <div className={css.setting}>
              <Data>{name}</Data>
              <span>{description}</span>
            </div>
          ),
        },
        { head: "Value", width: "35%", cell: (setting) => <Value setting={setting} /> },
        {
          head: "From",
          cell: ({ origin }) => <Badge tone={origin === "default" ? "plain" : "accent"}>{origin}</Badge>,
        },
      ]}
    />
  );
}

function Value({ setting }: { readonly setting: Setting }): ReactNode {
  const { value, secret, origin } = setting;
  if (secret) return <Badge>{origin === "default" ? "not set" : "set, and secret"}</Badge>;
  if (value === null || value === "") return <span>–</span>;
  const told = typeof value === "number" ? inWords(setting, value) : null;
  return (
    <div className={css.setting}>
      <Data>{typeof value === "string" ? value : JSON.stringify(value)}</Data>
      {told !== null && <span>{told}</span>}
    </div>
  );
}

/** A number of bytes or milliseconds as people say it, by what the setting says of itself; null for plain numbers. */
function inWords({ name, description }: Setting, value: number): string | null {
  if (/milliseconds/i.test(description)) return duration(value);
  return /bytes|memory|disk/i.test(`${name} ${description}`) ? bytes(value) : null;
}

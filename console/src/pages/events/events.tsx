import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { type ReactNode, useMemo, useState } from "react";
import { useLive } from "../../api/live.ts";
import { lastEventsQuery } from "../../api/queries.ts";
import type { PlatformEvent } from "../../api/types.ts";
import { Button, SearchInput, Select } from "../../design/controls.tsx";
import { Badge, Card, DataTable, EmptyState, Name, Page, SkeletonRows } from "../../design/display.tsx";
import { Dialog } from "../../design/overlays.tsx";
import { Ago } from "../../design/time.tsx";
import css from "./events.module.css";
import { datasetOf, subjectOf, toldOf } from "./told.ts";

const mostShown = 200;

/** What the stream told since the console was opened, and behind that the newest of before. */
function useEvents(): { readonly events: readonly PlatformEvent[]; readonly isPending: boolean } {
  const { events } = useLive();
  const { data: before, isPending } = useQuery(lastEventsQuery);
  const all = useMemo(() => {
    const told = new Set(events.map(({ position }) => position));
    const others = (before ?? []).filter(({ position }) => !told.has(position));
    return [...events, ...others].sort((a, b) => b.position - a.position);
  }, [events, before]);
  return { events: all, isPending };
}

/** What happens, as it happens: the newest, held still when somebody reads. */
export function Events(): ReactNode {
  const { events, isPending } = useEvents();
  const { find = "", type = "" } = useSearch({ from: "/inside/events" });
  const navigate = useNavigate({ from: "/events" });
  const [held, setHeld] = useState<readonly PlatformEvent[] | null>(null);
  const [chosen, setChosen] = useState<PlatformEvent | null>(null);
  const all = held ?? events;
  const types = [...new Set([...all.map((event) => event.type), ...(type === "" ? [] : [type])])].sort();
  const wanted = find.toLowerCase();
  const shown = all
    .filter((event) => type === "" || event.type === type)
    .filter(
      (event) =>
        wanted === "" || `${event.type} ${event.subject} ${JSON.stringify(event.data)}`.toLowerCase().includes(wanted),
    )
    .slice(0, mostShown);
  const search = (change: { find?: string; type?: string }) => {
    const next = { find, type, ...change };
    void navigate({
      search: { ...(next.find === "" ? {} : { find: next.find }), ...(next.type === "" ? {} : { type: next.type }) },
      replace: true,
    });
  };
  return (
    <Page
      title="Events"
      about="What happened, newest first, as it happens. Programs read the same at /api/v1/events."
      actions={
        <>
          <div className={css.find}>
            <SearchInput
              label="Find in events"
              value={find}
              onChange={({ target }) => search({ find: target.value })}
            />
          </div>
          <Select
            aria-label="Type"
            className={css.type}
            value={type}
            onChange={({ target }) => search({ type: target.value })}
          >
            <option value="">All types</option>
            {types.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </Select>
          <Button
            aria-pressed={held !== null}
            icon={held === null ? "stop" : "play"}
            onClick={() => setHeld(held === null ? events : null)}
          >
            {held === null ? "Hold" : "Go on"}
          </Button>
        </>
      }
    >
      <Card flush>
        {shown.length === 0 && isPending ? (
          <SkeletonRows rows={10} />
        ) : shown.length === 0 ? (
          <EmptyState title={all.length === 0 ? "Nothing has happened yet" : "No event is so"}>
            <p>Commits, tasks and changes of definitions show here as they happen.</p>
          </EmptyState>
        ) : (
          <DataTable
            label="Events"
            rows={shown}
            keyOf={({ position }) => position}
            columns={[
              { head: "When", keep: true, cell: ({ at }) => <Ago at={at} /> },
              { head: "Type", keep: true, cell: (event) => <Badge>{event.type}</Badge> },
              { head: "Of", width: "50%", cell: (event) => <Subject event={event} /> },
              {
                head: "What",
                width: "50%",
                cell: (event) => (
                  <span className={css.line} title={toldOf(event)}>
                    <Name>{toldOf(event)}</Name>
                  </span>
                ),
              },
              {
                head: <span className="visually-hidden">More</span>,
                number: true,
                cell: (event) => (
                  <Button
                    small
                    look="quiet"
                    aria-label={`All of it: event ${event.position}`}
                    onClick={() => setChosen(event)}
                  >
                    All of it
                  </Button>
                ),
              },
            ]}
          />
        )}
      </Card>
      <Dialog wide title={`Event ${chosen?.position ?? ""}`} isOpen={chosen !== null} onClose={() => setChosen(null)}>
        <pre className={css.json}>{JSON.stringify(chosen, null, 2)}</pre>
      </Dialog>
    </Page>
  );
}

function Subject({ event }: { readonly event: PlatformEvent }): ReactNode {
  const dataset = datasetOf(event);
  const name = <Name>{subjectOf(event.subject)}</Name>;
  return (
    <span className={css.line} title={event.subject}>
      {dataset === null ? (
        name
      ) : (
        <Link to="/datasets/$project/$dataset" params={dataset}>
          {name}
        </Link>
      )}
    </span>
  );
}

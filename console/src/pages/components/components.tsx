import { type ReactNode, useState } from "react";
import { ApiError } from "../../api/client.ts";
import { Button, Field, IconButton, Input, SearchInput, Segments, Select, TextArea } from "../../design/controls.tsx";
import {
  Badge,
  Card,
  Data,
  DataTable,
  EmptyState,
  ErrorPanel,
  Facts,
  Kbd,
  Meter,
  MillraceCommand,
  Page,
  SkeletonRows,
  type Tone,
  Warning,
} from "../../design/display.tsx";
import { Figure, FigureLink, FigureRow } from "../../design/figure.tsx";
import { bytes, count } from "../../design/format.ts";
import { Icon, type IconName, iconNames } from "../../design/icon.tsx";
import { Dialog, DialogActions, Menu, tell, tellFailure } from "../../design/overlays.tsx";
import { Bars, Sparkline } from "../../design/small-charts.tsx";
import { TimeChart } from "../../design/time-chart.tsx";
import css from "./components.module.css";

const wave = Array.from({ length: 60 }, (_, at) => Math.round(400 + 300 * Math.sin(at / 7) + 90 * Math.sin(at)));
const failure = new ApiError(409, {
  code: "conflict",
  message: "The dataset was changed by somebody else.",
  hint: "Look at it again, then repeat the change.",
  traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
});

/** Every component of the console on one page, as DESIGN.md describes them. */
export function Components(): ReactNode {
  return (
    <Page title="Components" about="What every page is made of." actions={<Buttons />}>
      <Colours />
      <FigureRow label="Figures">
        <Figure name="Rows a second" value="1,204" more="83.4 KB a second" />
        <Figure name="Size" value="83.4 MB" more="in 12 files" />
        <FigureLink to="/datasets" name="Datasets" value="42" more="leads to them" />
      </FigureRow>
      <div className={css.grid}>
        <Controls />
        <Displays />
        <Overlays />
        <Card title="Charts">
          <div className={css.stack}>
            <TimeChart label="Rows over an hour" values={wave} from="2026-01-01T10:00:00Z" stepMs={60_000} />
            <div className={css.line}>
              <Sparkline label="A wave" values={wave} />
              <Bars label="A distribution" values={[1, 4, 9, 14, 11, 6, 3, 1]} />
            </div>
          </div>
        </Card>
        <Card title="Loading" flush>
          <SkeletonRows rows={4} />
        </Card>
        <Card title="Empty">
          <EmptyState title="Nothing here yet">
            <p>Says what would be here, and the next command:</p>
            <MillraceCommand args="ingest my.data YOUR_FILE.csv" />
          </EmptyState>
        </Card>
        <Card title="Failed">
          <ErrorPanel error={failure} again={() => tell("Tried again.")} />
        </Card>
        <Card title="Table" flush>
          <DataTable
            label="Birds"
            rows={[
              { name: "Heron", seen: 12_408, size: 91_000 },
              { name: "Kingfisher", seen: 310, size: 2_400 },
            ]}
            keyOf={({ name }) => name}
            columns={[
              { head: "Name", cell: ({ name }) => name },
              { head: "Seen", number: true, cell: ({ seen }) => count(seen) },
              { head: "Size", number: true, cell: ({ size }) => bytes(size) },
            ]}
          />
        </Card>
        <Card title="Icons">
          <div className={css.icons}>
            {iconNames.map((name: IconName) => (
              <span key={name} title={name}>
                <Icon name={name} size={20} />
              </span>
            ))}
          </div>
        </Card>
      </div>
    </Page>
  );
}

function Buttons(): ReactNode {
  return (
    <>
      <Button look="primary" icon="plus">
        Primary
      </Button>
      <Button>Plain</Button>
      <Button look="quiet">Quiet</Button>
      <Button look="danger">Danger</Button>
      <Button unless="Somebody else is writing.">Held</Button>
      <IconButton icon="refresh" label="Refresh" />
    </>
  );
}

const colours = [
  "ground",
  "surface",
  "sunken",
  "hover",
  "line",
  "ink",
  "ink-2",
  "ink-3",
  "accent",
  "good",
  "warn",
  "bad",
];
const chartColours = [1, 2, 3, 4, 5, 6, 7, 8].map((number) => `chart-${number}`);

function Colours(): ReactNode {
  return (
    <Card title="Colours">
      <div className={css.colours}>
        {[...colours, ...chartColours].map((name) => (
          <div key={name}>
            <i style={{ background: `var(--${name})` }} />
            <span>{name}</span>
          </div>
        ))}
      </div>
    </Card>
  );
}

function Controls(): ReactNode {
  const [by, setBy] = useState<"rows" | "bytes">("rows");
  return (
    <Card title="Controls">
      <div className={css.stack}>
        <SearchInput label="Find" />
        <Field label="Name" help="Small letters, digits, underscores.">
          {(tie) => <Input {...tie} defaultValue="requests" />}
        </Field>
        <Field label="Name" wrong="This name is taken.">
          {(tie) => <Input {...tie} defaultValue="requests" />}
        </Field>
        <Field label="Format">
          {(tie) => (
            <Select {...tie}>
              <option>csv</option>
              <option>parquet</option>
            </Select>
          )}
        </Field>
        <Field label="Notes">{(tie) => <TextArea {...tie} />}</Field>
        <Segments
          label="By"
          value={by}
          onChange={setBy}
          options={[
            { value: "rows", label: "Rows" },
            { value: "bytes", label: "Bytes" },
          ]}
        />
      </div>
    </Card>
  );
}

const tones: readonly Tone[] = ["plain", "accent", "good", "warn", "bad"];

function Displays(): ReactNode {
  return (
    <Card title="Display">
      <div className={css.stack}>
        <div className={css.line}>
          {tones.map((tone) => (
            <Badge key={tone} tone={tone} dot>
              {tone}
            </Badge>
          ))}
          <Warning>late</Warning>
        </div>
        <Facts
          facts={[
            ["Rows", count(1_204_511)],
            ["Size", bytes(83_400_000)],
            ["Head", <Data key="head">f1620a81c…</Data>],
          ]}
        />
        <Meter label="Verified" done={640} total={1_024} />
        <p>
          <Kbd>g</Kbd> <Kbd>d</Kbd> goes to the datasets.
        </p>
        <MillraceCommand args='sql "SELECT count(*) FROM my.data"' />
      </div>
    </Card>
  );
}

function Overlays(): ReactNode {
  const [isOpen, setOpen] = useState(false);
  return (
    <Card title="Overlays">
      <div className={css.line}>
        <Button onClick={() => setOpen(true)}>Dialog</Button>
        <Menu
          label="More"
          items={[
            { label: "Copy", icon: "copy", onChoose: () => tell("Copied.") },
            { label: "Held", unless: "Not now.", onChoose: () => {} },
            { label: "Delete", isDangerous: true, onChoose: () => tellFailure(failure) },
          ]}
        />
        <Button onClick={() => tell("The dataset is compacted.")}>Say so</Button>
        <Button onClick={() => tellFailure(failure)}>Say failure</Button>
      </div>
      <Dialog title="Delete web.access?" isOpen={isOpen} onClose={() => setOpen(false)}>
        <p>Its rows are gone for good, on every server.</p>
        <DialogActions>
          <Button onClick={() => setOpen(false)}>Keep it</Button>
          <Button look="danger" onClick={() => setOpen(false)}>
            Delete
          </Button>
        </DialogActions>
      </Dialog>
    </Card>
  );
}

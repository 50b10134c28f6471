import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { OneDataset } from "../../api/types.ts";
import { Badge, Command, Facts, Name, type Tone } from "../../design/display.tsx";
import css from "./dataset.module.css";

type Transform = NonNullable<OneDataset["transform"]>;

const tones: Readonly<Record<Transform["state"], Tone>> = {
  paused: "warn",
  idle: "good",
  waiting: "accent",
  running: "accent",
  failing: "bad",
};

/** The SELECT whose result a dataset is, and how it is kept right. */
export function TransformFacts({ transform }: { readonly transform: Transform }): ReactNode {
  const { sql, mode, inputs, state, error } = transform;
  return (
    <>
      <p>The result of this SELECT, kept right as rows arrive:</p>
      <Command text={sql} />
      <Facts
        facts={[
          [
            "State",
            <Badge key="s" tone={tones[state]} dot>
              {state}
            </Badge>,
          ],
          ["Mode", mode],
          [
            "Reads",
            inputs.map(({ project, dataset }) => (
              <Link key={`${project}.${dataset}`} to="/datasets/$project/$dataset" params={{ project, dataset }}>
                <Name>{`${project}.${dataset}`}</Name>{" "}
              </Link>
            )),
          ],
        ]}
      />
      {error !== null && (
        <p className={css.quiet}>
          The last run failed ({error.code}): <Name>{error.message}</Name>. It is tried again, later each time.
        </p>
      )}
    </>
  );
}

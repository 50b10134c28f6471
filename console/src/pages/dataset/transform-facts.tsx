import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { OneDataset } from "../../api/types.ts";
import { Badge, Command, Facts, Name } from "../../design/display.tsx";
import { toneOf } from "../lineage/states.ts";
import css from "./dataset.module.css";
import { usePlace } from "./place.ts";

type Transform = NonNullable<OneDataset["transform"]>;

/** The SELECT whose result a dataset is, and how it is kept right. */
export function TransformFacts({ transform }: { readonly transform: Transform }): ReactNode {
  const { keep } = usePlace();
  const { sql, mode, inputs, state, error } = transform;
  return (
    <>
      <p>
        The result of this SELECT, kept right as rows arrive.{" "}
        <Link to="/datasets/$project/$dataset/transform" {...keep}>
          How, and its runs
        </Link>
      </p>
      <Command text={sql} />
      <Facts
        facts={[
          [
            "State",
            <Badge key="s" tone={toneOf(state)} dot>
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

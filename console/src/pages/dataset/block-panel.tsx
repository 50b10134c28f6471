import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { type ReactNode, useEffect, useRef } from "react";
import { blockQuery } from "../../api/queries.ts";
import { buttonClass, IconButton } from "../../design/controls.tsx";
import { Data, ErrorPanel, Facts, Name, SkeletonRows } from "../../design/display.tsx";
import { bytes, count } from "../../design/format.ts";
import { Icon } from "../../design/icon.tsx";
import { Ago } from "../../design/time.tsx";
import { factsOf, kindName } from "./block.ts";
import css from "./chain.module.css";
import { usePlace } from "./place.ts";

/** One block beside the chain: its facts, and all that it says as JSON. */
export function BlockPanel({ seq }: { readonly seq: number }): ReactNode {
  const { project, dataset, keep } = usePlace();
  const navigate = useNavigate();
  const panel = useRef<HTMLElement>(null);
  const { data, error, isPending } = useQuery(blockQuery(project, dataset, seq));
  // Back to the block that was opened.
  useEffect(() => () => document.getElementById(`block-${seq}`)?.focus(), [seq]);
  const close = () => void navigate({ to: "/datasets/$project/$dataset/chain", ...keep, resetScroll: false });
  const closing = useRef(close);
  closing.current = close;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another block is read out anew
  useEffect(() => {
    panel.current?.focus();
    const pressed = (event: KeyboardEvent) => {
      if (event.key === "Escape" && document.querySelector("dialog[open]") === null) closing.current();
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, [seq]);
  const facts = data == null ? null : factsOf(data);
  return (
    <aside ref={panel} className={css.panel} aria-label={`Block ${seq}`} tabIndex={-1}>
      <div className={css.panelHead}>
        <h2>
          Block {seq}
          {facts !== null && `: ${kindName(facts.kind)}`}
        </h2>
        <IconButton icon="close" label="Close" onClick={close} />
      </div>
      <div className={css.panelFacts}>
        {isPending && <SkeletonRows rows={4} />}
        {error !== null && <ErrorPanel error={error} />}
        {data === null && <p>The chain has no block {seq}.</p>}
        {facts !== null && (
          <>
            <Facts
              facts={[
                ["Committed", <Ago key="at" at={facts.at} />],
                ["By", facts.by === null ? "not told" : <Name key="by">{facts.by}</Name>],
                ["Rows", count(facts.rows)],
                ["Size", bytes(facts.bytes)],
                ["Quarantined", count(facts.quarantined)],
              ]}
            />
            <p className={css.hash}>
              Hash <Data>{facts.hash}</Data>
            </p>
            <div>
              <Link
                to="/datasets/$project/$dataset/sample"
                params={keep.params}
                search={{ seq }}
                className={buttonClass({ small: true })}
              >
                <Icon name="history" />
                See the rows as of here
              </Link>
            </div>
          </>
        )}
      </div>
      {data != null && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
        <section className={css.json} tabIndex={0} aria-label="The block as JSON">
          <pre dir="ltr">{JSON.stringify(data.block, null, 2)}</pre>
        </section>
      )}
    </aside>
  );
}

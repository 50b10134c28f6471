import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { ask, path } from "../../api/client.ts";
import type { QuarantineRetry } from "../../api/types.ts";
import { Badge, ErrorPanel } from "../../design/display.tsx";
import { count } from "../../design/format.ts";
import css from "./quarantine.module.css";

export interface Retry {
  readonly start: (reason: string | null) => void;
  readonly isRunning: boolean;
  readonly error: unknown;
  readonly outcome: QuarantineRetry | undefined;
}

/** Reads the quarantined rows again, those of one reason or all. */
export function useRetry(project: string, dataset: string): Retry {
  const client = useQueryClient();
  const { mutate, isPending, error, data } = useMutation({
    mutationFn: (reason: string | null) =>
      ask<QuarantineRetry>(path`/api/v1/projects/${project}/datasets/${dataset}/quarantine/retry`, {
        method: "POST",
        body: reason === null ? {} : { reason },
      }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["dataset", project, dataset] }),
  });
  return { start: mutate, isRunning: isPending, error, outcome: data };
}

export function RetryOutcome({ retry: { isRunning, error, outcome } }: { readonly retry: Retry }): ReactNode {
  if (isRunning) return <div className={css.outcome}>Sending the rows again</div>;
  if (error !== null) return <ErrorPanel error={error} />;
  if (outcome === undefined) return null;
  const { accepted, quarantinedAgain, alreadyRetried, notRetryable, left } = outcome;
  return (
    <div className={css.outcome} role="status">
      <Badge tone={accepted > 0 ? "good" : "plain"}>{count(accepted)} appended</Badge>
      <Badge tone={quarantinedAgain > 0 ? "warn" : "plain"}>{count(quarantinedAgain)} refused again</Badge>
      {alreadyRetried > 0 && <Badge>{count(alreadyRetried)} were sent before</Badge>}
      {notRetryable > 0 && <Badge tone="warn">{count(notRetryable)} cannot be sent again</Badge>}
      {left > 0 && <Badge tone="accent">{count(left)} wait for the next retry</Badge>}
    </div>
  );
}

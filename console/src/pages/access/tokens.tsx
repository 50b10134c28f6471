import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import { ask, path } from "../../api/client.ts";
import type { Token } from "../../api/types.ts";
import { Button, Field, Input, Select } from "../../design/controls.tsx";
import { Badge, Card, Command, DataTable, EmptyState, ErrorPanel, Name, SkeletonRows } from "../../design/display.tsx";
import { Dialog, DialogActions, tell, tellFailure } from "../../design/overlays.tsx";
import { Ago } from "../../design/time.tsx";
import css from "./access.module.css";
import { tokensQuery } from "./queries.ts";

/** Your tokens: what programs send. A token is shown once, when it is made. */
export function Tokens({ user }: { readonly user: string }): ReactNode {
  const { data, error, isPending, refetch } = useQuery(tokensQuery(user));
  const [isMaking, setMaking] = useState(false);
  return (
    <Card
      title="Your tokens"
      flush
      actions={
        <Button small icon="plus" onClick={() => setMaking(true)}>
          New token
        </Button>
      }
    >
      {isPending && <SkeletonRows rows={3} />}
      {error !== null && <ErrorPanel error={error} again={() => void refetch()} />}
      {data?.tokens.length === 0 && <EmptyState title="No tokens" />}
      {data !== undefined && data.tokens.length > 0 && <TokenTable tokens={data.tokens} />}
      <Dialog title="New token" isOpen={isMaking} onClose={() => setMaking(false)}>
        <NewToken user={user} onDone={() => setMaking(false)} />
      </Dialog>
    </Card>
  );
}

function TokenTable({ tokens }: { readonly tokens: readonly Token[] }): ReactNode {
  return (
    <DataTable
      label="Your tokens"
      rows={tokens}
      keyOf={({ id }) => id}
      columns={[
        { head: "Label", cell: ({ label }) => <Name>{label}</Name> },
        {
          head: "May",
          cell: ({ scopes }) => (
            <span className={css.scope}>
              {scopes.map((scope) => (
                <Badge key={scope}>{scope}</Badge>
              ))}
            </span>
          ),
        },
        { head: "Made", number: true, cell: ({ createdAt }) => <Ago at={createdAt} /> },
        { head: "Used", number: true, cell: ({ lastUsedAt }) => <Ago at={lastUsedAt} /> },
        {
          head: "Ends",
          number: true,
          cell: ({ expiresAt }) => (expiresAt === null ? "never" : <Ago at={expiresAt} />),
        },
        {
          head: <span className="visually-hidden">Actions</span>,
          number: true,
          cell: (token) => <Revoke token={token} />,
        },
      ]}
    />
  );
}

function Revoke({ token: { id, label } }: { readonly token: Token }): ReactNode {
  const client = useQueryClient();
  const [isAsking, setAsking] = useState(false);
  const revoke = useMutation({
    mutationFn: () => ask<void>(path`/api/v1/tokens/${id}`, { method: "DELETE" }),
    onSuccess: () => tell("The token is revoked."),
    onError: tellFailure,
    onSettled: () => client.invalidateQueries({ queryKey: ["access", "tokens"] }),
  });
  return (
    <>
      <Button small aria-label={`Revoke ${label}`} onClick={() => setAsking(true)}>
        Revoke
      </Button>
      <Dialog title="Revoke this token?" isOpen={isAsking} onClose={() => setAsking(false)}>
        <p>
          What uses <Name>{label}</Name> is refused at once.
        </p>
        <DialogActions>
          <Button onClick={() => setAsking(false)}>Keep it</Button>
          <Button look="danger" disabled={revoke.isPending} onClick={() => revoke.mutate()}>
            Revoke
          </Button>
        </DialogActions>
      </Dialog>
    </>
  );
}

const dayMs = 86_400_000;

function NewToken({ user, onDone }: { readonly user: string; readonly onDone: () => void }): ReactNode {
  const client = useQueryClient();
  const [label, setLabel] = useState("");
  const [scope, setScope] = useState("read");
  const [days, setDays] = useState("90");
  const make = useMutation({
    mutationFn: () =>
      ask<Token & { token: string }>(path`/api/v1/users/${user}/tokens`, {
        method: "POST",
        body: {
          label,
          scopes: [scope],
          ...(days === "" ? {} : { expiresAt: new Date(Date.now() + Number(days) * dayMs).toISOString() }),
        },
      }),
    onSettled: () => client.invalidateQueries({ queryKey: ["access", "tokens"] }),
  });
  if (make.data !== undefined)
    return (
      <>
        <p>Copy the token now: it is not shown again.</p>
        <Command text={make.data.token} />
        <DialogActions>
          <Button look="primary" onClick={onDone}>
            Done
          </Button>
        </DialogActions>
      </>
    );
  const send = (event: FormEvent) => {
    event.preventDefault();
    make.mutate();
  };
  return (
    <form className={css.form} onSubmit={send}>
      <Field label="Label" help="What will use it.">
        {(tie) => (
          <Input {...tie} value={label} onChange={({ target }) => setLabel(target.value)} required maxLength={100} />
        )}
      </Field>
      <Field label="May" help="Never more than you may.">
        {(tie) => (
          <Select {...tie} value={scope} onChange={({ target }) => setScope(target.value)}>
            <option value="read">read</option>
            <option value="write">write</option>
            <option value="admin">admin</option>
          </Select>
        )}
      </Field>
      <Field label="Ends after">
        {(tie) => (
          <Select {...tie} value={days} onChange={({ target }) => setDays(target.value)}>
            <option value="1">a day</option>
            <option value="30">30 days</option>
            <option value="90">90 days</option>
            <option value="365">a year</option>
            <option value="">never</option>
          </Select>
        )}
      </Field>
      {make.error !== null && <ErrorPanel error={make.error} />}
      <DialogActions>
        <Button onClick={onDone}>Not now</Button>
        <Button type="submit" look="primary" disabled={make.isPending}>
          Make it
        </Button>
      </DialogActions>
    </form>
  );
}

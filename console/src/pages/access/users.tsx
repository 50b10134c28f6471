import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import { ask, path } from "../../api/client.ts";
import type { User } from "../../api/types.ts";
import { Button, Field, Input } from "../../design/controls.tsx";
import { Badge, Card, DataTable, ErrorPanel, Name, SkeletonRows } from "../../design/display.tsx";
import { Dialog, DialogActions, tell, tellFailure } from "../../design/overlays.tsx";
import { Ago } from "../../design/time.tsx";
import css from "./access.module.css";
import { usersQuery } from "./queries.ts";

/** The organization's users, for its owners. */
export function Users({ me }: { readonly me: string }): ReactNode {
  const { data, error, isPending, refetch } = useQuery(usersQuery);
  const [isMaking, setMaking] = useState(false);
  const [leaving, setLeaving] = useState<User | null>(null);
  return (
    <Card
      title="Users"
      flush
      actions={
        <Button small icon="plus" onClick={() => setMaking(true)}>
          New user
        </Button>
      }
    >
      {isPending && <SkeletonRows rows={3} />}
      {error !== null && <ErrorPanel error={error} again={() => void refetch()} />}
      {data !== undefined && (
        <DataTable
          label="Users"
          rows={data.users}
          keyOf={({ name }) => name}
          columns={[
            { head: "Name", cell: ({ name }) => <Name>{name}</Name> },
            { head: "Role", cell: ({ isOwner }) => (isOwner ? <Badge tone="accent">owner</Badge> : "by project") },
            { head: "Since", number: true, cell: ({ createdAt }) => <Ago at={createdAt} /> },
            {
              head: <span className="visually-hidden">Actions</span>,
              number: true,
              cell: (user) => (
                <Button
                  small
                  aria-label={`Delete ${user.name}`}
                  unless={user.name === me ? "You cannot delete yourself." : null}
                  onClick={() => setLeaving(user)}
                >
                  Delete
                </Button>
              ),
            },
          ]}
        />
      )}
      <Dialog title="New user" isOpen={isMaking} onClose={() => setMaking(false)}>
        <NewUser onDone={() => setMaking(false)} />
      </Dialog>
      <Dialog title="Delete this user?" isOpen={leaving !== null} onClose={() => setLeaving(null)}>
        {leaving !== null && <DeleteUser name={leaving.name} onDone={() => setLeaving(null)} />}
      </Dialog>
    </Card>
  );
}

function NewUser({ onDone }: { readonly onDone: () => void }): ReactNode {
  const client = useQueryClient();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const make = useMutation({
    mutationFn: () =>
      ask<User>("/api/v1/users", { method: "POST", body: { name, ...(password === "" ? {} : { password }) } }),
    async onSuccess() {
      await client.invalidateQueries({ queryKey: ["access", "users"] });
      onDone();
    },
  });
  const send = (event: FormEvent) => {
    event.preventDefault();
    make.mutate();
  };
  return (
    <form className={css.form} onSubmit={send}>
      <Field label="Name" help="Small letters, digits and dashes.">
        {(tie) => (
          <Input {...tie} value={name} onChange={({ target }) => setName(target.value)} required autoComplete="off" />
        )}
      </Field>
      <Field label="Password" help="At least 10 characters; without one they sign in by token.">
        {(tie) => (
          <Input
            {...tie}
            type="password"
            autoComplete="new-password"
            value={password}
            onChange={({ target }) => setPassword(target.value)}
          />
        )}
      </Field>
      {make.error !== null && <ErrorPanel error={make.error} />}
      <DialogActions>
        <Button onClick={onDone}>Not now</Button>
        <Button type="submit" look="primary" disabled={make.isPending}>
          Make the user
        </Button>
      </DialogActions>
    </form>
  );
}

function DeleteUser({ name, onDone }: { readonly name: string; readonly onDone: () => void }): ReactNode {
  const client = useQueryClient();
  const leave = useMutation({
    mutationFn: () => ask<void>(path`/api/v1/users/${name}`, { method: "DELETE" }),
    onSuccess: () => tell("The user is deleted."),
    onError: tellFailure,
    async onSettled() {
      await client.invalidateQueries({ queryKey: ["access"] });
      onDone();
    },
  });
  return (
    <>
      <p>
        <Name>{name}</Name>'s tokens, roles and grants end at once. What they wrote stays.
      </p>
      <DialogActions>
        <Button onClick={onDone}>Keep the user</Button>
        <Button look="danger" disabled={leave.isPending} onClick={() => leave.mutate()}>
          Delete
        </Button>
      </DialogActions>
    </>
  );
}

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, type ReactNode, useState } from "react";
import { ask, path } from "../../api/client.ts";
import { type Credentials, sessionQuery, signIn } from "../../api/session.ts";
import { Button, Field, Input, Segments } from "../../design/controls.tsx";
import { Data, ErrorPanel, SkeletonRows } from "../../design/display.tsx";
import { Mark } from "../../shell/shell.tsx";
import css from "./sign-in.module.css";

/** Who are you? At the first start: the owner's token once, and a password from then on. */
export function SignIn(): ReactNode {
  const { data, error, isPending, refetch } = useQuery(sessionQuery);
  return (
    <main className={css.page} id="main">
      <div className={css.box}>
        <div className={css.brand}>
          <Mark size={36} />
          <h1>Millrace</h1>
        </div>
        {isPending && <SkeletonRows rows={4} />}
        {error !== null && <ErrorPanel error={error} again={() => void refetch()} />}
        {data?.setUp.needed === true ? <SetUp tokenFile={data.setUp.tokenFile} /> : data !== undefined && <Door />}
      </div>
    </main>
  );
}

/** Goes where the visitor wanted to go. */
function useEnter(): () => Promise<void> {
  const client = useQueryClient();
  const navigate = useNavigate();
  const { next } = useSearch({ from: "/sign-in" });
  return async () => {
    client.clear();
    await client.fetchQuery(sessionQuery);
    await navigate({ href: next ?? "/" });
  };
}

function Door(): ReactNode {
  const enter = useEnter();
  const [by, setBy] = useState<"password" | "token">("password");
  const [user, setUser] = useState("owner");
  const [secret, setSecret] = useState("");
  const { run, isBusy, failure } = useSubmit(async () => {
    const credentials: Credentials = by === "token" ? { token: secret.trim() } : { user, password: secret };
    await signIn(credentials);
    await enter();
  });
  return (
    <form className={css.form} onSubmit={run}>
      <Segments
        label="Sign in with"
        value={by}
        options={[
          { value: "password", label: "Password" },
          { value: "token", label: "Token" },
        ]}
        onChange={(value) => {
          setBy(value);
          setSecret("");
        }}
      />
      {by === "password" && (
        <Field label="User">
          {(tie) => (
            <Input
              {...tie}
              name="username"
              autoComplete="username"
              value={user}
              onChange={({ target }) => setUser(target.value)}
              required
            />
          )}
        </Field>
      )}
      <Field
        label={by === "token" ? "Token" : "Password"}
        help={by === "token" ? "Begins with mlr_. It is kept by the server as a session, not by this page." : null}
      >
        {(tie) => (
          <Input
            {...tie}
            type="password"
            name={by}
            autoComplete={by === "token" ? "off" : "current-password"}
            value={secret}
            onChange={({ target }) => setSecret(target.value)}
            required
          />
        )}
      </Field>
      {failure !== null && <ErrorPanel error={failure} />}
      <Button type="submit" look="primary" disabled={isBusy}>
        {isBusy ? "Signing in" : "Sign in"}
      </Button>
    </form>
  );
}

const shortestPassword = 10;

function SetUp({ tokenFile }: { readonly tokenFile: string | null }): ReactNode {
  const enter = useEnter();
  const [token, setToken] = useState("");
  const [password, setPassword] = useState("");
  const { run, isBusy, failure } = useSubmit(async () => {
    const who = await signIn({ token: token.trim() });
    if (password !== "")
      await ask<void>(path`/api/v1/users/${who.user}/password`, { method: "PUT", body: { password } });
    await enter();
  });
  const isShort = password !== "" && password.length < shortestPassword;
  return (
    <form className={css.form} onSubmit={run}>
      <div>
        <h2>Welcome</h2>
        <p className={css.about}>This platform is new. Show once that it is yours, and choose a password.</p>
      </div>
      <Field
        label="Owner's token"
        help={
          tokenFile === null ? (
            "It stands in owner.token in the data folder of the server."
          ) : (
            <span className={css.path}>
              It stands in <Data>{tokenFile}</Data>
            </span>
          )
        }
      >
        {(tie) => (
          <Input
            {...tie}
            type="password"
            name="token"
            autoComplete="off"
            value={token}
            onChange={({ target }) => setToken(target.value)}
            required
          />
        )}
      </Field>
      <input type="text" name="username" autoComplete="username" value="owner" readOnly hidden />
      <Field
        label="New password for owner"
        help={`At least ${shortestPassword} characters. Leave it empty to sign in by token only.`}
        wrong={isShort ? `${shortestPassword - password.length} more characters` : null}
      >
        {(tie) => (
          <Input
            {...tie}
            type="password"
            name="new-password"
            autoComplete="new-password"
            value={password}
            onChange={({ target }) => setPassword(target.value)}
          />
        )}
      </Field>
      {failure !== null && <ErrorPanel error={failure} />}
      <Button type="submit" look="primary" disabled={isBusy || isShort}>
        {isBusy ? "Opening" : "Open the console"}
      </Button>
    </form>
  );
}

function useSubmit(work: () => Promise<void>): { run: (event: FormEvent) => void; isBusy: boolean; failure: unknown } {
  const [isBusy, setBusy] = useState(false);
  const [failure, setFailure] = useState<unknown>(null);
  const run = (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setFailure(null);
    work()
      .catch(setFailure)
      .finally(() => setBusy(false));
  };
  return { run, isBusy, failure };
}

import { queryOptions } from "@tanstack/react-query";
import { ask } from "./client.ts";
import type { WhoAmI } from "./types.ts";

export interface Session {
  readonly who: WhoAmI | null;
  readonly setUp: { readonly needed: boolean; readonly tokenFile: string | null };
}

export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: ({ signal }) => ask<Session>("/api/v1/session", { signal }),
  staleTime: Number.POSITIVE_INFINITY,
});

export type Credentials = { readonly token: string } | { readonly user: string; readonly password: string };

export const signIn = (credentials: Credentials): Promise<WhoAmI> =>
  ask<WhoAmI>("/api/v1/session", { method: "POST", body: credentials });

export const signOut = (): Promise<void> => ask<void>("/api/v1/session", { method: "DELETE" });

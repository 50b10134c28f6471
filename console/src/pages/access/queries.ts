import { queryOptions } from "@tanstack/react-query";
import { ask, path } from "../../api/client.ts";
import type { Grant, Token, User } from "../../api/types.ts";

export const usersQuery = queryOptions({
  queryKey: ["access", "users"],
  queryFn: ({ signal }) => ask<{ users: User[] }>("/api/v1/users", { signal }),
});

export const tokensQuery = (user: string) =>
  queryOptions({
    queryKey: ["access", "tokens", user],
    queryFn: ({ signal }) => ask<{ tokens: Token[] }>(path`/api/v1/users/${user}/tokens`, { signal }),
  });

export const grantsQuery = (project: string) =>
  queryOptions({
    queryKey: ["access", "grants", project],
    queryFn: ({ signal }) => ask<{ grants: Grant[] }>(path`/api/v1/projects/${project}/grants`, { signal }),
  });

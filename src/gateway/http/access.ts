import { z } from "zod";
import { formatInstant, instant, MillraceError } from "../../base/index.ts";
import type { Principal } from "./access-contract.ts";
import type { Program, Rooms } from "./contract.ts";
import { datasetParams, project, user } from "./parts.ts";
import { type HttpRoute, jsonRoute } from "./route.ts";
import { grantView, principalView, tokenView, userView } from "./views.ts";

const tag = "access";
const role = z.enum(["owner", "editor", "viewer"]);
const privilege = z.enum(["select", "insert", "alter", "admin"]);
const password = z.string().min(10, "a password has at least 10 characters").max(1_000);
const secretBytes = 64 * 1024;

/** Users and tokens need organization.admin, but for one's own; roles, grants and secrets project.admin. */
export function accessRoutes<Format>({ access, administration, program }: Rooms<Format>): HttpRoute[] {
  const administrate = (principal: Principal) => access.authorize(principal, "organization.admin", {});
  const selfOrAdmin = async (principal: Principal, name: string) => {
    if (principal.user !== name) await administrate(principal);
  };
  /** A token makes, takes over and revokes only what reaches no further than itself. */
  const mustReach = async (principal: Principal, scopes: readonly string[]) => {
    if (await access.reaches(principal, scopes)) return;
    throw new MillraceError("forbidden", `Your token does not reach to: ${scopes.join(", ")}.`, {
      hint: "Use a wider token, or your password.",
    });
  };

  return [
    jsonRoute({
      method: "GET",
      path: "/api/v1",
      summary: "The server's version, and who you are",
      tag: "server",
      reply: principalView,
      handle: async ({ principal }) => whoIs(principal, program),
    }),
    jsonRoute({
      method: "GET",
      path: "/api/v1/users",
      summary: "Users of the organization",
      tag,
      reply: z.object({ users: z.array(userView) }),
      async handle({ principal }) {
        await administrate(principal);
        return { users: await administration.listUsers() };
      },
    }),
    jsonRoute({
      method: "POST",
      path: "/api/v1/users",
      summary: "Creates a user",
      tag,
      body: z.strictObject({ name: user, password: password.optional() }),
      reply: userView,
      status: 201,
      async handle({ body, principal }) {
        await administrate(principal);
        const { name } = body;
        return await administration.createUser(
          body.password === undefined ? { name } : { name, password: body.password },
          principal.user,
        );
      },
    }),
    jsonRoute({
      method: "DELETE",
      path: "/api/v1/users/{user}",
      summary: "Deletes a user and all tokens and grants of theirs",
      tag,
      params: z.object({ user }),
      reply: z.void(),
      async handle({ params, principal }) {
        await administrate(principal);
        if (params.user === principal.user) throw new MillraceError("bad_request", "Nobody can delete themselves.");
        await administration.deleteUser(params.user, principal.user);
      },
    }),
    jsonRoute({
      method: "PUT",
      path: "/api/v1/users/{user}/password",
      summary: "Sets a user's password, and ends the user's other sessions",
      tag,
      params: z.object({ user }),
      body: z.strictObject({ password }),
      reply: z.void(),
      async handle({ params, body, principal }) {
        await selfOrAdmin(principal, params.user);
        await mustReach(principal, ["admin"]);
        await administration.setPassword(params.user, body.password, principal.user, principal.tokenId);
      },
    }),
    jsonRoute({
      method: "GET",
      path: "/api/v1/users/{user}/tokens",
      summary: "A user's tokens; never their text",
      tag,
      params: z.object({ user }),
      reply: z.object({ tokens: z.array(tokenView) }),
      async handle({ params, principal }) {
        await selfOrAdmin(principal, params.user);
        return { tokens: await administration.listTokens(params.user) };
      },
    }),
    jsonRoute({
      method: "POST",
      path: "/api/v1/users/{user}/tokens",
      summary: "Creates a token; its text is shown this once",
      tag,
      params: z.object({ user }),
      body: z.strictObject({
        label: z.string().max(200).default(""),
        scopes: z.array(z.string().max(200)).max(100).default(["read", "write"]),
        expiresAt: z.iso.datetime({ offset: true }).optional(),
      }),
      reply: tokenView
        .extend({ token: z.string().describe("Keep it: it cannot be shown again.") })
        .meta({ id: "NewToken" }),
      status: 201,
      async handle({ params, body, principal }) {
        await selfOrAdmin(principal, params.user);
        await mustReach(principal, body.scopes);
        const expiresAt = body.expiresAt === undefined ? {} : { expiresAt: instant(Date.parse(body.expiresAt)) };
        const { label, scopes } = body;
        const wanted = { user: params.user, label, scopes, ...expiresAt, mintedBy: principal.tokenId };
        return await administration.createToken(wanted, principal.user);
      },
    }),
    jsonRoute({
      method: "DELETE",
      path: "/api/v1/tokens/{id}",
      summary: "Revokes a token at once",
      tag,
      params: z.object({ id: z.string() }),
      reply: z.void(),
      async handle({ params, principal }) {
        const owner = await administration.tokenOwner(params.id);
        if (owner !== principal.user) await administrate(principal);
        if (owner === null) throw new MillraceError("not_found", "There is no such token.");
        if (params.id !== principal.tokenId) {
          const token = (await administration.listTokens(owner)).find(({ id }) => id === params.id);
          await mustReach(principal, token?.scopes ?? []);
        }
        await administration.revokeToken(params.id, principal.user);
      },
    }),
    jsonRoute({
      method: "GET",
      path: "/api/v1/projects/{project}/grants",
      summary: "Roles and grants of a project",
      tag,
      params: z.object({ project }),
      reply: z.object({ grants: z.array(grantView) }),
      async handle({ params, principal }) {
        await access.authorize(principal, "project.admin", params);
        return { grants: await administration.listGrants(params.project) };
      },
    }),
    jsonRoute({
      method: "PUT",
      path: "/api/v1/projects/{project}/members/{user}",
      summary: "Sets a user's role in a project; null takes it away",
      tag,
      params: z.object({ project, user }),
      body: z.strictObject({ role: role.nullable() }),
      reply: z.void(),
      async handle({ params, body, principal }) {
        await access.authorize(principal, "project.admin", { project: params.project });
        await administration.setRole({ ...params, role: body.role }, principal.user);
      },
    }),
    ...(["PUT", "DELETE"] as const).map((method) =>
      jsonRoute({
        method,
        path: "/api/v1/projects/{project}/datasets/{dataset}/grants/{user}/{privilege}",
        summary: method === "PUT" ? "Grants a privilege on a dataset" : "Revokes a privilege on a dataset",
        tag,
        params: datasetParams.extend({ user, privilege }),
        reply: z.void(),
        async handle({ params, principal }) {
          const path = { project: params.project, dataset: params.dataset };
          await access.authorize(principal, "dataset.admin", { dataset: path });
          const input = { dataset: path, user: params.user, privilege: params.privilege };
          if (method === "PUT") await administration.grant(input, principal.user);
          else await administration.revoke(input, principal.user);
        },
      }),
    ),
    jsonRoute({
      method: "GET",
      path: "/api/v1/projects/{project}/secrets",
      summary: "Names of a project's secrets",
      tag,
      params: z.object({ project }),
      reply: z.object({ secrets: z.array(z.object({ name: z.string(), updatedAt: z.string() })) }),
      async handle({ params, principal }) {
        await access.authorize(principal, "project.edit", params);
        const secrets = await administration.listSecrets(params.project);
        return { secrets: secrets.map(({ name, updatedAt }) => ({ name, updatedAt: formatInstant(updatedAt) })) };
      },
    }),
    jsonRoute({
      method: "PUT",
      path: "/api/v1/projects/{project}/secrets/{name}",
      summary: "Seals a secret; no route reads it back",
      tag,
      params: z.object({ project, name: z.string().min(1).max(63) }),
      body: z.strictObject({ value: z.string().min(1).max(secretBytes) }),
      reply: z.void(),
      async handle({ params, body, principal }) {
        await access.authorize(principal, "project.edit", { project: params.project });
        await administration.putSecret({ ...params, value: body.value }, principal.user);
      },
    }),
    jsonRoute({
      method: "DELETE",
      path: "/api/v1/projects/{project}/secrets/{name}",
      summary: "Deletes a secret",
      tag,
      params: z.object({ project, name: z.string().min(1).max(63) }),
      reply: z.void(),
      async handle({ params, principal }) {
        await access.authorize(principal, "project.edit", { project: params.project });
        await administration.deleteSecret(params, principal.user);
      },
    }),
  ];
}

export function whoIs(principal: Principal, program: Program): z.infer<typeof principalView> {
  const { organization, user: name, isOwner, tokenId, scopes } = principal;
  return { ...program, organization, user: name, isOwner, tokenId, scopes: [...scopes] };
}

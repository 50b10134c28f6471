import type { Sql } from "../../storage/index.ts";

export const insertSubscription = (sql: Sql, name: string, position: number) => sql`
  INSERT INTO event_subscriptions (name, position) VALUES (${name}, ${position}) ON CONFLICT DO NOTHING`;

export const selectSubscription = (sql: Sql, name: string) => sql<{ position: string }[]>`
  SELECT position FROM event_subscriptions WHERE name = ${name}`;

export const updateSubscription = (sql: Sql, name: string, position: number) => sql`
  UPDATE event_subscriptions SET position = ${position}, updated_at = now() WHERE name = ${name} AND position < ${position}`;

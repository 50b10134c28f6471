import type { Statements } from "../../storage/index.ts";

export const insertSubscription = (sql: Statements, name: string, position: number) => sql`
  INSERT INTO event_subscriptions (name, position) VALUES (${name}, ${position}) ON CONFLICT DO NOTHING`;

export const selectSubscription = (sql: Statements, name: string) => sql<{ position: string }[]>`
  SELECT position FROM event_subscriptions WHERE name = ${name}`;

export const updateSubscription = (sql: Statements, name: string, position: number) => sql`
  UPDATE event_subscriptions SET position = ${position}, updated_at = now() WHERE name = ${name} AND position < ${position}`;

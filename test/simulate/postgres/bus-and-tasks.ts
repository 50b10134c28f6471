import {
  deleteOldEvents,
  insertEvent,
  lockEvents,
  selectEvents,
  selectEventsBack,
  selectNewest,
} from "../../../src/bus/sql/events.ts";
import { insertSubscription, selectSubscription, updateSubscription } from "../../../src/bus/sql/subscriptions.ts";
import {
  bringForward,
  cancelTask,
  claimTasks,
  endAttempt,
  insertTask,
  renewLeases,
  selectLiveByKey,
  selectTask,
  selectTasks,
  takeOver,
  updateProgress,
} from "../../../src/tasks/sql/tasks.ts";
import {
  answered,
  counted,
  json,
  means,
  none,
  number,
  orNull,
  parsed,
  text,
  texts,
  time,
  timeOrNull,
} from "./statements.ts";
import { PostgresError, type Row } from "./transaction.ts";
import type { View } from "./view.ts";

const eventKey = (position: number) => String(position).padStart(16, "0");

export function knowBusAndTasks(): void {
  means(lockEvents, (view, [key]) => {
    view.lock(`advisory ${number(key)}`, "update");
    return answered([{ pg_advisory_xact_lock: "" }]);
  });
  means(insertEvent, (view, [type, subject, project, data]) => {
    const position = view.next("events_position_seq");
    const row = { position, at: view.nowMs, type: text(type), subject: text(subject), project, data: json(data) };
    view.put("events", eventKey(position), row);
    view.notify("events", String(position));
    return answered([{ position: String(position) }]);
  });
  means(selectEvents, (view, [after, every, types, limit]) => {
    const wanted = new Set(texts(types));
    const found = view
      .rows("events")
      .filter((row) => number(row.position) > number(after) && (every === true || wanted.has(text(row.type))))
      .sort((a, b) => number(a.position) - number(b.position))
      .slice(0, number(limit));
    return answered(found.map(eventRow));
  });
  means(selectEventsBack, (view, [before, every, types, limit]) => {
    const wanted = new Set(texts(types));
    const found = view
      .rows("events")
      .filter((row) => number(row.position) < number(before) && (every === true || wanted.has(text(row.type))))
      .sort((a, b) => number(b.position) - number(a.position))
      .slice(0, number(limit));
    return answered(found.map(eventRow));
  });
  means(selectNewest, (view) => {
    const newest = view.rows("events").reduce((most, row) => Math.max(most, number(row.position)), 0);
    return answered([{ position: String(newest) }]);
  });
  means(deleteOldEvents, (view, [before, most]) => {
    const newest = view.rows("events").reduce((highest, row) => Math.max(highest, number(row.position)), 0);
    const old = view
      .rows("events")
      .filter((row) => number(row.at) < time(before) && number(row.position) < newest)
      .sort((a, b) => number(a.position) - number(b.position))
      .slice(0, number(most));
    for (const row of old) view.delete("events", eventKey(number(row.position)));
    return counted(old.length);
  });
  means(insertSubscription, (view, [name, position]) => {
    view.awaitWriter("event_subscriptions", text(name));
    if (view.get("event_subscriptions", text(name)) !== undefined) return none;
    view.put("event_subscriptions", text(name), { position: number(position) });
    return counted(1);
  });
  means(selectSubscription, (view, [name]) => {
    const found = view.get("event_subscriptions", text(name));
    return answered(found === undefined ? [] : [{ position: String(found.position) }]);
  });
  means(updateSubscription, (view, [position, name]) => {
    const found = view.get("event_subscriptions", text(name));
    if (found === undefined || number(found.position) >= number(position)) return none;
    view.put("event_subscriptions", text(name), { position: number(position) });
    return counted(1);
  });
  knowTasks();
}

function eventRow(row: Row): Row {
  const { position, at, type, subject, project, data } = row;
  const id = `00000000-0000-7000-8000-${String(position).padStart(12, "0")}`;
  return { position: String(position), id, at: timeOrNull(at), type, subject, project, data: parsed(data) };
}

function knowTasks(): void {
  means(insertTask, (view, values) => {
    const [id, kind, key, project, payload, priority, tokens, maxAttempts, notBefore, deadline, createdAt] = values;
    const same = key === null ? undefined : liveByKey(view, text(kind), text(key));
    if (same !== undefined) {
      view.awaitWriter("tasks", text(same.id));
      return none;
    }
    if (key !== null) view.lock(`tasks_key ${text(kind)} ${text(key)}`, "update");
    view.awaitWriter("tasks", text(id));
    if (view.get("tasks", text(id)) !== undefined) throw new PostgresError("23505", "the id is taken");
    const row = {
      id: text(id),
      kind: text(kind),
      key,
      project,
      payload: json(payload),
      state: "queued",
      priority: number(priority),
      tokens: number(tokens),
      attempts: 0,
      max_attempts: number(maxAttempts),
      not_before: time(notBefore),
      deadline: orNull(deadline, time),
      holder: null,
      lease_until: null,
      progress: null,
      result: null,
      error: null,
      created_at: time(createdAt),
      started_at: null,
      ended_at: null,
    };
    view.put("tasks", row.id, row);
    return answered([taskRow(row)]);
  });
  means(selectLiveByKey, (view, [kind, key]) => {
    const found = liveByKey(view, text(kind), text(key));
    return answered(found === undefined ? [] : [taskRow(found)]);
  });
  means(selectTask, (view, [id]) => {
    const found = view.get("tasks", text(id));
    return answered(found === undefined ? [] : [taskRow(found)]);
  });
  means(selectTasks, (view, [, project, , state, , kind, , before, limit]) => {
    const found = view
      .rows("tasks")
      .filter((row) => project === null || row.project === project)
      .filter((row) => (state === null || row.state === state) && (kind === null || row.kind === kind))
      .filter((row) => before === null || text(row.id) < text(before))
      .sort((a, b) => (text(a.id) < text(b.id) ? 1 : -1));
    return answered(found.slice(0, number(limit)).map(taskRow));
  });
  means(claimTasks, (view, [now, kinds, limit, holder, leaseUntil, started, tokens]) => {
    const wanted = new Set(texts(kinds));
    const waiting = view
      .rows("tasks")
      .filter((row) => row.state === "queued" && number(row.not_before) <= time(now) && wanted.has(text(row.kind)))
      .sort(byUrgency)
      .filter((row) => view.isFree(`tasks ${row.id}`, "update"))
      .slice(0, number(limit));
    for (const row of waiting) view.lock(`tasks ${row.id}`, "update"); // also those that the tokens do not reach
    let held = 0;
    const claimed: Row[] = [];
    for (const row of waiting) {
      held += number(row.tokens);
      if (held > number(tokens)) continue;
      const after = {
        ...row,
        state: "running",
        holder: text(holder),
        lease_until: time(leaseUntil),
        attempts: number(row.attempts) + 1,
        started_at: row.started_at ?? time(started),
      };
      view.put("tasks", text(row.id), after);
      const attempt = { holder: text(holder), started_at: time(now), ended_at: null, outcome: null, error: null };
      view.put("task_attempts", `${row.id} ${after.attempts}`, attempt);
      claimed.push(after);
    }
    return answered(claimed.map(taskRow));
  });
  means(renewLeases, (view, [leaseUntil, ids, holder]) => {
    const mine = [...new Set(texts(ids))].filter((id) => isHeld(view.get("tasks", id), holder));
    for (const id of mine) view.put("tasks", id, { ...view.get("tasks", id), lease_until: time(leaseUntil) });
    return answered(mine.map((id) => ({ id })));
  });
  means(bringForward, (view, [now, , farthest]) => {
    const isAstray = (row: Row) =>
      row.attempts === 0 ? row.not_before === row.created_at : number(row.not_before) > time(farthest);
    const astray = view
      .rows("tasks")
      .filter((row) => row.state === "queued" && number(row.not_before) > time(now) && isAstray(row));
    for (const row of astray) view.put("tasks", text(row.id), { ...row, not_before: time(now) });
    return counted(astray.length);
  });
  means(takeOver, (view, [at, , farthest]) => {
    const now = time(at);
    const isLost = (row: Row) => number(row.lease_until) < now || number(row.lease_until) > time(farthest);
    const lost = view.rows("tasks").filter((row) => row.state === "running" && isLost(row));
    const after = lost.map((row): Row => {
      const isLast = number(row.attempts) >= number(row.max_attempts);
      const state = isLast ? "failed" : "queued";
      const error = "its holder was lost";
      return { ...row, state, error, holder: null, lease_until: null, ended_at: isLast ? now : null };
    });
    for (const row of after) {
      view.put("tasks", text(row.id), row);
      endAttemptOf(view, row, { ended_at: now, outcome: "lost" });
    }
    return answered(after.map(taskRow));
  });
  means(endAttempt, (view, [state, notBefore, result, error, , now, id, holder, attempt, , outcome]) => {
    const row = view.get("tasks", text(id));
    if (row === undefined || !isHeld(row, holder) || row.attempts !== number(attempt)) return none;
    const ended = {
      ...row,
      state: text(state),
      holder: null,
      lease_until: null,
      not_before: time(notBefore),
      result: json(result),
      error,
      ended_at: state === "queued" ? null : time(now),
    };
    view.put("tasks", text(id), ended);
    endAttemptOf(view, ended, { ended_at: time(now), outcome: text(outcome), error });
    return answered([taskRow(ended)]);
  });
  means(cancelTask, (view, [now, id]) => {
    const row = view.get("tasks", text(id));
    if (row === undefined || (row.state !== "queued" && row.state !== "running")) return none;
    const after = { ...row, state: "cancelled", ended_at: time(now), holder: null, lease_until: null };
    view.put("tasks", text(id), after);
    return answered([taskRow(after)]);
  });
  means(updateProgress, (view, [progress, id, holder, attempt]) => {
    const row = view.get("tasks", text(id));
    if (row === undefined || !isHeld(row, holder) || row.attempts !== number(attempt)) return none;
    view.put("tasks", text(id), { ...row, progress: json(progress) });
    return counted(1);
  });
}

function liveByKey(view: View, kind: string, key: string): Row | undefined {
  const isLive = (row: Row) => row.state === "queued" || row.state === "running";
  return view.rows("tasks").find((row) => row.kind === kind && row.key === key && isLive(row));
}

function isHeld(row: Row | undefined, holder: unknown): boolean {
  return row !== undefined && row.holder === text(holder) && row.state === "running";
}

function endAttemptOf(view: View, row: Row, end: Row): void {
  const key = `${row.id} ${row.attempts}`;
  view.put("task_attempts", key, { ...view.get("task_attempts", key), ...end });
}

/** Priority first, then the one that has waited longest. */
function byUrgency(a: Row, b: Row): number {
  return (
    number(b.priority) - number(a.priority) ||
    number(a.not_before) - number(b.not_before) ||
    number(a.created_at) - number(b.created_at) ||
    (text(a.id) < text(b.id) ? -1 : 1)
  );
}

function taskRow(row: Row): Row {
  return {
    ...row,
    lease_until: timeOrNull(row.lease_until),
    not_before: timeOrNull(row.not_before),
    payload: parsed(row.payload),
    progress: orNull(row.progress, parsed),
    result: orNull(row.result, parsed),
    deadline: timeOrNull(row.deadline),
    created_at: timeOrNull(row.created_at),
    started_at: timeOrNull(row.started_at),
    ended_at: timeOrNull(row.ended_at),
  };
}

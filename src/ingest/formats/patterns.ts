/** A field of a text pattern: which group it comes from and how DuckDB makes text of it that casts exactly. */
export interface PatternField {
  readonly name: string;
  /** SQL over `g`, the struct of the pattern's groups, and `h`; its text is null where the field is absent. */
  readonly sql: string;
}

export interface TextPattern {
  /** RE2 syntax; matches a whole line. */
  readonly expression: string;
  readonly groups: readonly string[];
  /** null: every group is a column of text whose type is detected. */
  readonly fields: readonly PatternField[] | null;
  /** SQL over `g` of what several fields share, as `h`. */
  readonly derived?: string;
  /** The column that is the event time unless the caller says otherwise. */
  readonly eventTime: string | null;
}

const quoted = (name: string) => `"(?P<${name}>(?:[^"\\\\]|\\\\.)*)"`;
const commonHead = `^(?P<client_ip>\\S+) (?P<identity>\\S+) (?P<user>.*?) \\[(?P<time>[^\\]]+)\\] ${quoted("request")} (?P<status>\\d{3}|-) (?P<bytes>\\d+|-)`;
const commonGroups = ["client_ip", "identity", "user", "time", "request", "status", "bytes"];
const dash = (group: string) => `nullif(nullif(g.${group}, '-'), '')`;
const requestParts = "regexp_extract(g.request, '^([A-Z]+) (\\S+)(?: (\\S+))?$', ['method', 'path', 'protocol'])";
const requestPart = (name: string) => `nullif(h.${name}, '')`;
/** What is no such time stays as it stands, and so is put aside rather than lost. */
const clfTime = `coalesce(strftime(try_strptime(g.time, '%d/%b/%Y:%H:%M:%S %z'), '%Y-%m-%d %H:%M:%S.%f+00'), ${dash("time")})`;

/** The common log format of Apache and nginx; a request line that is no request stands whole in `request`. */
const commonFields: readonly PatternField[] = [
  { name: "client_ip", sql: dash("client_ip") },
  { name: "identity", sql: dash("identity") },
  { name: "user", sql: dash("user") },
  { name: "time", sql: clfTime },
  { name: "request", sql: dash("request") },
  { name: "method", sql: requestPart("method") },
  { name: "path", sql: requestPart("path") },
  { name: "protocol", sql: requestPart("protocol") },
  { name: "status", sql: dash("status") },
  { name: "bytes", sql: dash("bytes") },
];

/** RFC 5424: `<PRI>VERSION TIMESTAMP HOST APP PROCID MSGID DATA MESSAGE`. */
const syslogGroups = ["priority", "version", "time", "host", "app", "process", "message_id", "data", "message"];

export const namedPatterns: Readonly<Record<string, TextPattern>> = {
  common: {
    expression: `${commonHead}\\s*$`,
    groups: commonGroups,
    fields: commonFields,
    derived: requestParts,
    eventTime: "time",
  },
  combined: {
    // A server that cuts long lines leaves the last quote away: what stands is the user agent all the same.
    expression: `${commonHead} ${quoted("referrer")} ${quoted("user_agent")}?\\s*$`,
    groups: [...commonGroups, "referrer", "user_agent"],
    fields: [
      ...commonFields,
      { name: "referrer", sql: dash("referrer") },
      { name: "user_agent", sql: dash("user_agent") },
    ],
    derived: requestParts,
    eventTime: "time",
  },
  syslog: {
    expression:
      "^<(?P<priority>\\d{1,3})>(?P<version>\\d+) (?P<time>\\S+) (?P<host>\\S+) (?P<app>\\S+) (?P<process>\\S+) " +
      '(?P<message_id>\\S+) (?P<data>-|(?:\\[(?:[^\\]"\\\\]|\\\\.|"(?:[^"\\\\]|\\\\.)*")*\\])+)(?: (?P<message>.*))?$',
    groups: syslogGroups,
    fields: syslogGroups.map((group) => ({ name: group, sql: dash(group) })),
    eventTime: "time",
  },
};

/**
 * The pattern by its name, or the caller's own expression. JavaScript's `(?<name>` is taken as RE2's `(?P<name>`.
 * null where the expression has no named group.
 */
export function textPattern(text: string): TextPattern | null {
  const named = Object.hasOwn(namedPatterns, text) ? namedPatterns[text] : undefined;
  if (named !== undefined) return named;
  const expression = text.replaceAll(/\(\?<(?=[A-Za-z_])/g, "(?P<");
  // RE2 names groups by number of appearance; unnamed capturing groups would shift them, so they must not capture.
  const groups = [...expression.matchAll(/\(\?P<([A-Za-z_][A-Za-z0-9_]*)>/g)].map((match) => match[1] ?? "");
  if (groups.length === 0) return null;
  return { expression: uncapture(expression), groups, fields: null, eventTime: null };
}

/** Turns plain groups `( ... )` into `(?: ... )`. */
function uncapture(expression: string): string {
  let out = "";
  let inClass = false;
  for (let i = 0; i < expression.length; i++) {
    const at = expression[i] ?? "";
    out += at;
    if (at === "\\") out += expression[++i] ?? "";
    else if (inClass) inClass = at !== "]";
    else if (at === "[") inClass = true;
    else if (at === "(" && expression[i + 1] !== "?") out += "?:";
  }
  return out;
}

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { tempDirectory } from "../../../test/kit/index.ts";
import { silentTelemetry, systemClock, systemRandom } from "../../base/index.ts";
import { connect, openPostgres } from "../index.ts";

describe("the embedded PostgreSQL", () => {
  const open = (directory: string) =>
    openPostgres({
      server: { kind: "embedded", directory },
      clock: systemClock,
      random: systemRandom,
      log: silentTelemetry.log,
    });

  test("keeps its rows over a stop, its password is private, and disposing ends the server", async () => {
    await using folder = await tempDirectory();
    const directory = path.join(folder.path, "postgres");
    let url = "";
    {
      await using database = await open(directory);
      url = database.url;
      await database.sql`CREATE TABLE kept (n integer)`;
      await database.sql`INSERT INTO kept VALUES (42)`;
    }
    await expect(connect(url, 1)`SELECT 1`).rejects.toThrow();
    await using again = await open(directory);
    expect([...(await again.sql`SELECT n FROM kept`)]).toEqual([{ n: 42 }]);
    // Whoever is frozen in a transaction does not stop the others for longer.
    const [idle] = await again.sql`SHOW idle_in_transaction_session_timeout`;
    expect(idle).toEqual({ idle_in_transaction_session_timeout: "20s" });
  });

  test("a server whose process was killed is adopted by the next one, with every committed row", async () => {
    await using folder = await tempDirectory();
    const directory = path.join(folder.path, "postgres");
    const script = path.join(folder.path, "leave.ts");
    const room = path.resolve(import.meta.dirname, "..", "index.ts");
    const base = path.resolve(import.meta.dirname, "..", "..", "base", "index.ts");
    await writeFile(
      script,
      `import { openPostgres } from ${JSON.stringify(room)};
      import { silentTelemetry, systemClock, systemRandom } from ${JSON.stringify(base)};
      const database = await openPostgres({ server: { kind: "embedded", directory: ${JSON.stringify(directory)} }, clock: systemClock, random: systemRandom, log: silentTelemetry.log });
      await database.sql\`CREATE TABLE kept AS SELECT 42 AS n\`;
      process.stdout.write("ready\\n");
      setInterval(() => {}, 1000);`,
    );
    const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    const [pid] = (await readFile(path.join(directory, "cluster", "postmaster.pid"), "utf8")).split("\n");
    child.kill("SIGKILL");
    await once(child, "exit");
    {
      await using adopted = await open(directory);
      expect([...(await adopted.sql`SELECT n FROM kept`)]).toEqual([{ n: 42 }]);
      const [same] = (await readFile(path.join(directory, "cluster", "postmaster.pid"), "utf8")).split("\n");
      expect(same).toBe(pid);
    }
    expect(() => process.kill(Number(pid), 0)).toThrow();
  });
});

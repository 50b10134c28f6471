import path from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tempDirectory } from "../kit/index.ts";
import { type Platform, startPlatform } from "../kit/platform.ts";
import { firstLoad, type LoadedFile, weight } from "./load.ts";
import { browserAbsent, enter, openBrowser, visit } from "./open.ts";

const held = new AsyncDisposableStack();
let platform: Platform;
let browser: Browser;

beforeAll(async () => {
  if (browserAbsent !== null) return;
  const folder = held.use(await tempDirectory());
  platform = held.use(await startPlatform({ dataDirectory: path.join(folder.path, "data"), flags: ["--example"] }));
  browser = await openBrowser();
  held.defer(() => browser.close());
});
afterAll(() => held.disposeAsync());

const mostBytes = 250_000;
const loads = 5;

/** Words that the two libraries carry in their code, whatever their files are called. */
const editorWord = "cm-content";
const chartWord = "u-legend";
const holds = (files: readonly LoadedFile[], word: string) =>
  files.some(({ path: name, text }) => name.endsWith(".js") && text.includes(word));

async function signIn() {
  const { page, context } = await visit(browser);
  await enter(page, platform);
  const state = await context.storageState();
  await context.close();
  return state;
}

test.skipIf(browserAbsent !== null)(
  "the first load of sign-in and home is at most 250 kB packed, without editor and charts",
  async () => {
    const signed = { "sign-in": undefined, home: await signIn() };
    for (const [name, state] of Object.entries(signed)) {
      const found = [];
      for (let at = 0; at < loads; at++) found.push(await firstLoad(browser, `${platform.url}/`, state));
      const files = found[0]?.files ?? [];
      const times = found.map(({ firstContentMs }) => firstContentMs).sort((a, b) => a - b);
      const told = [...files].sort((a, b) => b.gzipBytes - a.gzipBytes).slice(0, 5);
      process.stdout.write(
        `first load of ${name}: ${(weight(files) / 1_000).toFixed(1)} kB by gzip in ${files.length} files, first content after ${times[loads >> 1]?.toFixed(0)} ms (median of ${loads})\n${told.map((file) => `  ${(file.gzipBytes / 1_000).toFixed(1)} kB ${file.path}\n`).join("")}`,
      );
      expect(files.some(({ path: name }) => name.endsWith(".js"))).toBe(true);
      expect(weight(files)).toBeLessThanOrEqual(mostBytes);
      expect(holds(files, editorWord)).toBe(false);
      expect(holds(files, chartWord)).toBe(false);
    }
    // The words are told by what does load them: without this, the two lines above could not fail.
    const bench = await firstLoad(browser, `${platform.url}/workbench?sql=SELECT%201`, signed.home);
    expect(holds(bench.files, editorWord)).toBe(true);
    expect(holds(bench.files, chartWord)).toBe(false);
  },
);

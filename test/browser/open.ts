import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import type { Platform } from "../kit/platform.ts";

const root = path.resolve(import.meta.dirname, "..", "..");
const programs = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const program = process.env.MILLRACE_TEST_CHROMIUM ?? programs.find((file) => existsSync(file)) ?? null;

/** Why browser tests cannot run here; null where they can. */
export const browserAbsent =
  program === null
    ? "Chromium is absent; install it: apt-get install chromium"
    : isBuilt()
      ? null
      : "the console is not built; run: npm run build:console";

function isBuilt(): boolean {
  return existsSync(path.join(root, "console", "dist", "index.html"));
}

/** Chromium without anything that reaches beyond this machine. */
export async function openBrowser(): Promise<Browser> {
  if (program === null) throw new Error(browserAbsent ?? "");
  const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
  const quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];
  return await chromium.launch({ executablePath: program, args: [...args, ...quiet] });
}

export type Theme = "light" | "dark";

export interface Visit {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What the page's console was told of errors, and failed scripts; must stay empty. */
  readonly problems: string[];
}

/** A page of its own, not signed in. */
export async function visit(
  browser: Browser,
  { width = 1440, height = 900, theme = "light" }: { width?: number; height?: number; theme?: Theme } = {},
): Promise<Visit> {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: theme,
    reducedMotion: "reduce",
  });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const problems: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(`${message.text()} (${message.location().url})`);
  });
  page.on("pageerror", (error) => problems.push(String(error)));
  return { page, context, problems };
}

export const password = "the-mill-race-runs";

/** Goes through the first start as an owner does, or signs in where that was done. */
export async function enter(page: Page, platform: Platform, to = "/"): Promise<void> {
  await page.goto(`${platform.url}/sign-in?next=${encodeURIComponent(to)}`);
  const first = page.getByLabel("Owner's token");
  const later = page.getByLabel("Password", { exact: true });
  await first.or(later).first().waitFor();
  if (await first.isVisible()) {
    await first.fill(platform.token);
    await page.getByLabel("New password for owner").fill(password);
    await page.getByRole("button", { name: "Open the console" }).click();
  } else {
    await later.fill(password);
    await page.getByRole("button", { name: "Sign in" }).click();
  }
  await page.getByRole("navigation", { name: "Pages" }).waitFor();
}

/** Waits until nothing is waited for on a page: every skeleton has become what it stood for. */
export const whole = (page: Page): Promise<void> =>
  page.locator("[data-skeleton]").first().waitFor({ state: "detached" });

/** By how many pixels a page runs out at the side of its window. */
export const spill = async (page: Page): Promise<number> =>
  Number(await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"));

const pictures = path.join(root, "artifacts", "console");

/** Keeps a picture below artifacts/console. */
export async function keepPicture(page: Page, name: string): Promise<void> {
  await mkdir(pictures, { recursive: true });
  await page.screenshot({ path: path.join(pictures, `${name}.png`), fullPage: true });
}

const axeSource = path.join(root, "node_modules", "axe-core", "axe.min.js");

interface AxeViolation {
  readonly id: string;
  readonly impact: string | null;
  readonly help: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
}

/** Serious and critical violations that axe finds. */
export async function violations(page: Page): Promise<string[]> {
  // Evaluated from outside: the page's own policy allows no script but its own.
  await page.evaluate(await readFile(axeSource, "utf8"));
  const found: AxeViolation[] = await page.evaluate(
    "axe.run(document, { resultTypes: ['violations'] }).then((result) => result.violations)",
  );
  return found
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(
      ({ id, help, nodes }) =>
        `${id}: ${help}\n${nodes
          .slice(0, 3)
          .map(({ html, failureSummary }) => `  ${html.slice(0, 200)}\n  ${failureSummary ?? ""}`)
          .join("\n")}`,
    );
}

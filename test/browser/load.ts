import { gzipSync } from "node:zlib";
import type { Browser, BrowserContextOptions, Response } from "playwright-core";
import { whole } from "./open.ts";

export interface LoadedFile {
  readonly path: string;
  readonly text: string;
  /** What its bytes weigh packed by gzip, whatever the server packed them with. */
  readonly gzipBytes: number;
}

export interface Load {
  /** All that came but the answers of the API: the page, its scripts, styles, fonts and pictures. */
  readonly files: readonly LoadedFile[];
  /** From the start of the navigation until the page drew its own heading. */
  readonly firstContentMs: number;
}

type Signed = NonNullable<BrowserContextOptions["storageState"]>;

/** Notes when a heading stands and was drawn. Runs before the page's own scripts, and is none of them. */
const noteFirstContent = `new MutationObserver((_, observer) => {
  if (document.querySelector("h1") === null) return;
  observer.disconnect();
  requestAnimationFrame(() => { document.documentElement.dataset.firstContentMs = String(performance.now()); });
}).observe(document, { childList: true, subtree: true });`;

/** Opens an address in a browser that has nothing cached, and waits until the page has all that it first shows. */
export async function firstLoad(browser: Browser, address: string, signed?: Signed): Promise<Load> {
  const context = await browser.newContext({ ...(signed === undefined ? {} : { storageState: signed }) });
  try {
    const page = await context.newPage();
    const coming: Promise<LoadedFile>[] = [];
    page.on("response", (response) => {
      if (!new URL(response.url()).pathname.startsWith("/api/")) coming.push(fileOf(response));
    });
    await page.addInitScript({ content: noteFirstContent });
    await page.goto(address);
    const noted = page.locator("html[data-first-content-ms]");
    const firstContentMs = Number(await noted.getAttribute("data-first-content-ms"));
    await whole(page);
    return { files: await Promise.all(coming), firstContentMs };
  } finally {
    await context.close();
  }
}

async function fileOf(response: Response): Promise<LoadedFile> {
  const body = await response.body();
  return { path: new URL(response.url()).pathname, text: body.toString("utf8"), gzipBytes: gzipSync(body).length };
}

export const weight = (files: readonly LoadedFile[]): number => files.reduce((sum, file) => sum + file.gzipBytes, 0);

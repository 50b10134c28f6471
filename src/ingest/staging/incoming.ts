import path from "node:path";
import { type Clock, type Disk, MillraceError } from "../../base/index.ts";
import { chunksOf, LineCounter } from "../convert/lines.ts";
import { detectionBytes } from "../formats/detect.ts";
import type { TakenBody } from "./body.ts";

/**
 * A part that a client on the same machine has written into the incoming folder itself, so that its bytes travel through
 * no socket. Whoever can write there owns the data folder.
 */
export interface LocalBody {
  /** The file's name in the incoming folder. */
  readonly file: string;
  /** Lines of the body, as the client has counted them: a guess, put right where it is wrong. */
  readonly lines: number;
}

const fileName = /^[0-9a-f-]{36}$/;
const forgottenAfterMs = 3_600_000;

/** The folder of local bodies. */
export class Incoming {
  readonly directory: string;
  readonly #disk: Disk;
  readonly #clock: Clock;

  constructor(options: { disk: Disk; clock: Clock; directory: string }) {
    this.directory = options.directory;
    this.#disk = options.disk;
    this.#clock = options.clock;
  }

  async open(): Promise<void> {
    await this.#disk.makeDirectory(this.directory);
    await this.sweep();
  }

  /** What a client that died has left behind an hour ago goes. */
  async sweep(): Promise<void> {
    for (const { name } of await this.#disk.list(this.directory)) {
      const file = path.join(this.directory, name);
      const found = await this.#disk.stat(file);
      if (found !== null && this.#clock.now() - found.modifiedMs > forgottenAfterMs) await this.#disk.remove(file);
    }
  }

  /**
   * Moves a local body, which begins behind `headBytes` free ones, to `to`, where it is ours. Its lines are counted where
   * conversion must know their number. @throws not_found where it is not here: the client is elsewhere
   */
  async take(
    { file: name }: LocalBody,
    to: string,
    options: { headBytes: number; countLines: boolean },
  ): Promise<TakenBody> {
    const { headBytes, countLines } = options;
    const from = path.join(this.directory, name);
    const found = fileName.test(name) ? await this.#disk.stat(from) : null;
    if (found?.kind !== "file" || found.sizeBytes < headBytes)
      throw new MillraceError("not_found", "The part is not in the incoming folder of this server.", {
        hint: "Send it as the request's body.",
      });
    const sizeBytes = found.sizeBytes - headBytes;
    await this.#disk.rename(from, to);
    await using file = await this.#disk.open(to, "read");
    return {
      bytes: null,
      file: to,
      sizeBytes,
      first: await file.read(headBytes, detectionBytes),
      hash: "",
      lines: countLines ? await linesIn(to, headBytes, sizeBytes) : null,
      headBytes,
    };
  }
}

async function linesIn(file: string, start: number, sizeBytes: number): Promise<number> {
  const counter = new LineCounter();
  for await (const chunk of chunksOf(file, start, sizeBytes)) counter.push(chunk);
  return counter.end();
}

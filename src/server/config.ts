import type { Config } from "../base/index.ts";
import type { settings } from "./settings.ts";

export type ServerConfig = Config<typeof settings>;

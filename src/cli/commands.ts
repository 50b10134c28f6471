import type { Command } from "./command.ts";
import { configCommand } from "./config.ts";
import { applyCommand, deleteCommand, getCommand } from "./definitions.ts";
import { doctorCommand } from "./doctor.ts";
import { ingestCommand } from "./ingest.ts";
import { collectCommand, compactCommand } from "./layout.ts";
import { reindexCommand, restoreDefinitionsCommand } from "./maintenance.ts";
import { pullCommand } from "./pull.ts";
import { sqlCommand } from "./sql.ts";
import { upCommand } from "./up.ts";
import { verifyCommand } from "./verify.ts";

/** Every command, in the order of the help. */
export const commands: readonly Command[] = [
  upCommand,
  ingestCommand,
  sqlCommand,
  verifyCommand,
  compactCommand,
  collectCommand,
  pullCommand,
  applyCommand,
  getCommand,
  deleteCommand,
  configCommand,
  doctorCommand,
  reindexCommand,
  restoreDefinitionsCommand,
];

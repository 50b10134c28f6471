export type { RedisOptions } from "./contract.ts";
export { RedisDoor } from "./door.ts";

export { type NewTask, type TaskFilter, TaskQueue, type TaskQueueOptions } from "./queue.ts";
export { type TaskContext, type TaskHandler, TaskRunner } from "./runner.ts";
export type { Task, TaskProgress, TaskState } from "./task.ts";

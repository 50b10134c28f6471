/** Files that were dropped on another page, on their way to the page that sends them. */
let waiting: readonly File[] = [];

export function handOver(files: readonly File[]): void {
  waiting = files;
}

/** What waits, once. */
export function takeOver(): readonly File[] {
  const files = waiting;
  waiting = [];
  return files;
}

/** The file that was dropped on another page, on its way to the page that sends it. */
let waiting: File | null = null;

export function handOver(file: File): void {
  waiting = file;
}

/** What waits, once. */
export function takeOver(): File | null {
  const file = waiting;
  waiting = null;
  return file;
}

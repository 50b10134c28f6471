/** Marks that turn the direction of the text behind them, and show nothing themselves. */
const turning = /[\u202a-\u202e\u2066-\u2069]/g;

/** A text with such marks told by their names: a file called "report\u202egnp.exe" must not look like a picture. */
export function shown(text: string): string {
  return text.replace(turning, (mark) => `\u27e8U+${mark.charCodeAt(0).toString(16).toUpperCase()}\u27e9`);
}

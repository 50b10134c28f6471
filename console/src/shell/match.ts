/**
 * Those whose name holds the letters of a text in their order, the best first: a beginning is better than a word's beginning,
 * that better than letters together, those better than letters apart. An empty text keeps all, as they are.
 */
export function rank<Thing>(things: readonly Thing[], text: string, nameOf: (thing: Thing) => string): Thing[] {
  const wanted = text.trim().toLowerCase();
  if (wanted === "") return [...things];
  return things
    .map((thing, order) => ({ thing, order, score: score(nameOf(thing).toLowerCase(), wanted) }))
    .filter(({ score: found }) => found > 0)
    .sort((a, b) => b.score - a.score || a.order - b.order)
    .map(({ thing }) => thing);
}

function score(name: string, wanted: string): number {
  const at = name.indexOf(wanted);
  if (at === 0) return 4;
  if (at > 0) return /[\s._-]/.test(name[at - 1] ?? "") ? 3 : 2;
  let next = 0;
  for (const letter of name) if (letter === wanted[next]) next++;
  return next === wanted.length ? 1 : 0;
}

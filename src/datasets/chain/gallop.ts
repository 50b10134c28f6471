/** The last number from `known` on that `has` holds for, where it holds for `known` and stops once. */
export async function gallop(
  has: (value: number) => Promise<boolean>,
  known: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  let low = known;
  let step = 1;
  const holds = async (value: number) => {
    signal?.throwIfAborted();
    return await has(value);
  };
  while (await holds(low + step)) {
    low += step;
    step *= 2;
  }
  let high = low + step; // absent
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (await holds(middle)) low = middle;
    else high = middle;
  }
  return low;
}

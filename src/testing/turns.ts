/** The event loop, as tests of threads see it: what happens elsewhere lets it take its turns. */

/** How many turns the event loop took meanwhile. */
export async function turnsDuring(work: Promise<unknown>): Promise<number> {
  let over = false;
  const ended = work.finally(() => (over = true));
  let turns = 0;
  for (; !over; turns++) await new Promise((resolve) => setImmediate(resolve));
  await ended;
  return turns;
}

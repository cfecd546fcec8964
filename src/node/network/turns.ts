/** Lets a limited number of jobs run at a time; the others wait in the order in which they came. */

/** Begins a job of the thread pool, which calls back once. */
type Job<T> = (done: (error: Error | null, result: T) => void) => void;

export class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(width: number) {
    this.#free = width;
  }

  run<T>(job: Job<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const begin = () => {
        try {
          job((error, result) => {
            // First of all, so that the thread has its next job while the result of this one is made use of.
            this.#passOn();
            if (error) reject(error);
            else resolve(result);
          });
        } catch (error) {
          // Later, so that a row of broken jobs does not fill the stack.
          queueMicrotask(() => this.#passOn());
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      if (this.#free > 0) {
        this.#free--;
        begin();
      } else {
        this.#waiting.push(begin);
      }
    });
  }

  /** The turn is handed on as it is, so nobody who comes now gets ahead. */
  #passOn(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free++;
  }
}

/**
 * Goes on with a value that may come later. At once when it is here: a message must not cost a turn of the event loop for
 * each question that is answered from memory.
 */
export function whenReady<T, R>(value: T | Promise<T>, use: (value: T) => R | Promise<R>): R | Promise<R> {
  return value instanceof Promise ? value.then(use) : use(value);
}

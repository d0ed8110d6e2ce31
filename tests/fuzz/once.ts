// Computed once for each argument: schemas come up again and again, and what is made of them is costly.

/** A function that remembers its results for as long as the arguments live. */
export function once<A extends object, R>(compute: (argument: A) => R): (argument: A) => R {
  const results = new WeakMap<A, { result: R }>();
  return (argument) => {
    const known = results.get(argument) ?? { result: compute(argument) };
    results.set(argument, known);
    return known.result;
  };
}

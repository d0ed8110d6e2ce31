// What several files of a process may use one after the other, because making it takes as long as many a file's tests.

/** Makes a thing for each borrower, or one for all of them while it is lent. */
export class Lent<T> {
  readonly #make: () => Promise<T>;
  readonly #end: (thing: T) => Promise<void>;
  #isLending = false;
  #thing: Promise<T> | undefined;

  constructor(make: () => Promise<T>, end: (thing: T) => Promise<void>) {
    this.#make = make;
    this.#end = end;
  }

  /** From now on all borrowers have the same thing, until the function is called that comes back. */
  lend(): () => Promise<void> {
    this.#isLending = true;
    return async () => {
      this.#isLending = false;
      const thing = await this.#thing?.catch(() => undefined);
      this.#thing = undefined;
      if (thing !== undefined) await this.#end(thing);
    };
  }

  get isLending(): boolean {
    return this.#isLending;
  }

  async borrow(): Promise<T> {
    if (!this.#isLending) return await this.#make();
    this.#thing ??= this.#make();
    return await this.#thing;
  }

  /** Ends what was borrowed, unless others may want it. */
  async giveBack(thing: T): Promise<void> {
    if (!this.#isLending) await this.#end(thing);
  }
}

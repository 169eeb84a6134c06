/** Which troubles have been told: every look finds again what lasts, and each is told once until it is over. */
export class Troubles {
  readonly #told = new Map<string, Set<string>>();

  /** @returns whether it is to be told: this was not the matter with `what` since that was well last */
  isNew(what: string, why: string): boolean {
    const told = this.#told.get(what) ?? new Set();
    if (told.has(why)) return false;
    this.#told.set(what, told.add(why));
    return true;
  }

  /** `what` is well. */
  areOver(what: string): void {
    this.#told.delete(what);
  }
}

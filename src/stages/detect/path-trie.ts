// Paths with typed parts, found by the directories they begin with: a path is tried against those only that lie above it.
import { type Template, matchesTemplate } from '../../pattern/template.ts';

interface Item<T> {
  readonly template: Template;
  readonly value: T;
}

export class PathTrie<T> {
  /** By the directories, with their last slash, that every text of the template begins with. */
  readonly #items = new Map<string, Item<T>[]>();
  /** How long those directories are: a hostile path of slashes costs no more look-ups than there are lengths. */
  readonly #lengths = new Set<number>();

  add(template: Template, value: T): void {
    const directory = template.prefix.slice(0, template.prefix.lastIndexOf('/') + 1);
    this.#lengths.add(directory.length);
    const beside = this.#items.get(directory);
    if (beside === undefined) this.#items.set(directory, [{ template, value }]);
    else beside.push({ template, value });
  }

  *matching(path: string): Generator<T> {
    for (const length of this.#lengths)
      for (const { template, value } of this.#items.get(path.slice(0, length)) ?? [])
        if (matchesTemplate(template, path)) yield value;
  }
}

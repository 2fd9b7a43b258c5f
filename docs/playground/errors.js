/** What went wrong, in a sentence for the visitor. Any other error is a fault of this page. */
export class Sentence extends Error {}

/** The first line of what a program says, for the end of a sentence. */
export function firstLine(error) {
  return String(error?.message ?? error)
    .split("\n")[0]
    .slice(0, 200);
}

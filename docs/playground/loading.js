import { Sentence } from "./errors.js";

/** Fetch what a browser without a network cannot reach. */
export async function reached(address, what) {
  try {
    return await fetch(address);
  } catch {
    throw new Sentence(
      `The network is gone, and ${what} is not loaded yet. What was used before still works.`,
    );
  }
}

/**
 * Fetch a file of this site, and tell how far that is.
 *
 * @param file {path, size}: the size is known from the build, because a server that compresses what
 *     it sends does not say it
 * @param report called with what is loaded, and with bytes that have come and will have
 */
export async function load({ path, size }, what, report) {
  const answer = await reached(new URL(path, import.meta.url), what);
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${answer.statusText}`);
  const bytes = new Uint8Array(size);
  let come = 0;
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    if (come + value.length > size) break;
    bytes.set(value, come);
    come += value.length;
    report({ what, come, size });
  }
  if (come !== size) throw new Error(`${path} is not the file that this page was built with`);
  return bytes;
}

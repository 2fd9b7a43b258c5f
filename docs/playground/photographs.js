// A file becomes a picture of a given size: three planes.

import { Sentence } from "./errors.js";
import { Shrinker } from "./resizing.js";

const MEGAPIXELS = 64;
/** How many rows of a photograph are looked at at once. */
const BAND = 64;

/**
 * Read a picture, upright, in sRGB, laid on white where it is transparent.
 *
 * @param blob a file of an image format that the browser knows
 * @param fit takes its width and height, and gives those that it is shrunk to
 */
export async function readPhoto(blob, name, fit) {
  const bitmap = await decode(blob, name);
  const { width, height } = bitmap;
  if (width * height > 1e6 * MEGAPIXELS) {
    bitmap.close();
    throw new Sentence(
      `${name} has ${Math.round((width * height) / 1e6)} megapixels; this page reads up to ` +
        `${MEGAPIXELS}. Shrink it first.`,
    );
  }
  const size = fit(width, height);
  const shrinkers = [0, 1, 2].map(() => new Shrinker(width, height, ...size));
  // Some browsers have no canvas as large as a photograph.
  const canvas = new OffscreenCanvas(width, Math.min(BAND, height));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  for (let top = 0; top < height; top += BAND) {
    context.fillStyle = "white";
    context.fillRect(0, 0, width, canvas.height);
    context.drawImage(bitmap, 0, -top);
    const { data } = context.getImageData(0, 0, width, Math.min(BAND, height - top));
    for (let start = 0; start < data.length; start += 4 * width) {
      const row = data.subarray(start, start + 4 * width);
      shrinkers.forEach((shrinker, channel) => shrinker.add(row.subarray(channel), 4, 255));
    }
  }
  bitmap.close();
  return shrinkers.map((shrinker) => shrinker.result);
}

async function decode(blob, name) {
  if (blob.size === 0) throw new Sentence(`${name} is empty (0 bytes).`);
  try {
    return await createImageBitmap(blob);
  } catch {
    const hint = /\.hei[cf]$/i.test(name)
      ? "Few browsers read phones’ HEIC files: save it as JPEG first."
      : "It may be damaged, or not what its name says. JPEG, PNG and WebP are read everywhere.";
    throw new Sentence(`${name} is not a picture that this browser can read. ${hint}`);
  }
}

// What a picture is here: three planes, red, green and blue. A plane is a grid of numbers:
//
//     { width, height, data }   data: Float32Array, row after row, each number in [0, 1]
//
// The library keeps the three colours of a pixel side by side (H, W, 3). Networks want one colour
// after the other (3, H, W), and nearly every step here treats each colour alone: so, planes.

/** Make a plane, of zeros unless numbers are given. */
export function plane(width, height, data = new Float32Array(width * height)) {
  return { width, height, data };
}

/** Make a plane whose numbers are computed from those at the same place in others. */
export function combine(compute, first, ...others) {
  const result = plane(first.width, first.height);
  const [a, out] = [first.data, result.data];
  const [b, c] = others.map((other) => other.data);
  for (let i = 0; i < out.length; i++) out[i] = compute(a[i], b?.[i], c?.[i]);
  return result;
}

/** Cut a number to the range from black, 0, to white, 1. */
export function clip(value) {
  return value < 0 ? 0 : value > 1 ? 1 : value;
}

/** Pixels as a canvas has them, 0..255, red, green, blue and alpha in turn. */
export function toPixels(picture) {
  const [{ width, height }] = picture;
  const pixels = new Uint8ClampedArray(4 * width * height).fill(255);
  picture.forEach(({ data }, channel) => {
    // This kind of array rounds and clips by itself.
    for (let i = 0; i < data.length; i++) pixels[4 * i + channel] = 255 * data[i];
  });
  return new ImageData(pixels, width, height);
}

// Pictures in another size, computed as OpenCV computes them.
//
// A canvas can scale pictures, too. But each browser does that in a way of its own, and none as the
// library does; and what a network sees decides about what it says. So these few functions do it.

import { clip, plane } from "./planes.js";

/** Round to the nearest whole number, halves to the even one, as Python's round() does. */
export function round(value) {
  const below = Math.floor(value);
  const half = value - below === 0.5;
  return half ? below + (below % 2) : Math.round(value);
}

/** Width and height at which the longest side has `longest` pixels, or as many as there are. */
export function fitted(width, height, longest) {
  const scale = Math.min(1, longest / Math.max(width, height));
  return [width, height].map((side) => Math.max(1, round(side * scale)));
}

/**
 * Which old positions lie in which new ones: lists of pairs, by the old ones' order. `share` is the
 * part that the old one has of the new one's length.
 */
function overlaps(oldLength, newLength) {
  const step = oldLength / newLength;
  const pairs = [];
  for (let to = 0; to < newLength; to++) {
    const [begin, end] = [to * step, Math.min((to + 1) * step, oldLength)];
    for (let from = Math.floor(begin); from < end; from++) {
      const common = Math.min(from + 1, end) - Math.max(from, begin);
      if (common > 1e-6) pairs.push({ from, to, share: common / step });
    }
  }
  return {
    from: Int32Array.from(pairs, (pair) => pair.from),
    to: Int32Array.from(pairs, (pair) => pair.to),
    share: Float64Array.from(pairs, (pair) => pair.share),
  };
}

/**
 * Shrinks a plane by means over areas (OpenCV's INTER_AREA). It is given row after row, from the
 * top, so that a large photograph never has to lie in memory as a whole.
 */
export class Shrinker {
  constructor(oldWidth, oldHeight, width, height) {
    this.result = plane(width, height);
    this.columns = overlaps(oldWidth, width);
    this.rows = overlaps(oldHeight, height);
    this.seen = 0;
    this.pair = 0;
  }

  /** Take the next row. From pixel to pixel lie `stride` numbers; `white` becomes 1. */
  add(row, stride = 1, white = 1) {
    const { width, data } = this.result;
    const { from, to, share } = this.columns;
    const means = new Float64Array(width);
    for (let i = 0; i < from.length; i++) means[to[i]] += share[i] * row[from[i] * stride];
    for (; this.rows.from[this.pair] === this.seen; this.pair++) {
      const start = this.rows.to[this.pair] * width;
      const weight = this.rows.share[this.pair] / white;
      for (let x = 0; x < width; x++) data[start + x] += weight * means[x];
    }
    this.seen++;
  }
}

/** Shrink a plane by means over areas. */
export function shrink({ width: oldWidth, height: oldHeight, data }, width, height) {
  const shrinker = new Shrinker(oldWidth, oldHeight, width, height);
  for (let y = 0; y < oldHeight; y++) {
    shrinker.add(data.subarray(y * oldWidth, (y + 1) * oldWidth));
  }
  return shrinker.result;
}

/** Enlarge a plane by mixing the four nearest numbers (OpenCV's INTER_LINEAR). */
export function enlarge(old, width, height) {
  const result = plane(width, height);
  const [columns, rows] = [neighbours(old.width, width), neighbours(old.height, height)];
  for (let y = 0; y < height; y++) {
    const { first, second, share } = rows[y];
    const [top, bottom] = [first * old.width, second * old.width];
    for (let x = 0; x < width; x++) {
      const { first: left, second: right, share: across } = columns[x];
      const above = old.data[top + left] * (1 - across) + old.data[top + right] * across;
      const below = old.data[bottom + left] * (1 - across) + old.data[bottom + right] * across;
      result.data[y * width + x] = above * (1 - share) + below * share;
    }
  }
  return result;
}

/** Enlarge a plane by curves through four numbers each way (OpenCV's INTER_CUBIC), and clip it. */
export function enlargeSmoothly(old, width, height) {
  const [columns, rows] = [curves(old.width, width), curves(old.height, height)];
  const wide = plane(width, old.height);
  for (let y = 0; y < old.height; y++) {
    columns.forEach((taps, x) => {
      for (const [from, weight] of taps) {
        wide.data[y * width + x] += weight * old.data[y * old.width + from];
      }
    });
  }
  const result = plane(width, height);
  rows.forEach((taps, y) => {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (const [from, weight] of taps) sum += weight * wide.data[from * width + x];
      result.data[y * width + x] = clip(sum);
    }
  });
  return result;
}

/** Of each new position, the four old ones around it, and their weights. */
function curves(oldLength, newLength) {
  const bend = -0.75;
  const near = (d) => ((bend + 2) * d - (bend + 3)) * d * d + 1;
  const far = (d) => ((bend * d - 5 * bend) * d + 8 * bend) * d - 4 * bend;
  return Array.from({ length: newLength }, (_, i) => {
    const place = ((i + 0.5) * oldLength) / newLength - 0.5;
    const first = Math.floor(place);
    const x = place - first;
    return [far(x + 1), near(x), near(1 - x), far(2 - x)].map((weight, n) => [
      Math.min(Math.max(first - 1 + n, 0), oldLength - 1),
      weight,
    ]);
  });
}

/** Of each new position, the two old ones beside it, and how much the second counts. */
function neighbours(oldLength, newLength) {
  const last = oldLength - 1;
  return Array.from({ length: newLength }, (_, i) => {
    // Positions are the middles of pixels: that of pixel 0 is at 0.5.
    const place = ((i + 0.5) * oldLength) / newLength - 0.5;
    const first = Math.min(Math.max(Math.floor(place), 0), last);
    return {
      first,
      second: Math.min(first + 1, last),
      share: Math.min(Math.max(place - first, 0), 1),
    };
  });
}

/**
 * The position that stands in for one outside of a line of `length` numbers: the line is mirrored.
 * `repeats` says whether the last number stands there twice (OpenCV's BORDER_REFLECT) or once
 * (BORDER_REFLECT_101).
 */
export function mirrored(position, length, repeats) {
  if (length === 1) return 0;
  const period = 2 * (repeats ? length : length - 1);
  const place = ((position % period) + period) % period;
  return place < length ? place : period - place - (repeats ? 1 : 0);
}

/** Make a plane larger at the right and below, by what is mirrored there. */
export function extend(old, width, height) {
  const result = plane(width, height);
  for (let y = 0; y < height; y++) {
    const start = mirrored(y, old.height, false) * old.width;
    for (let x = 0; x < width; x++) {
      result.data[y * width + x] = old.data[start + mirrored(x, old.width, false)];
    }
  }
  return result;
}

/** Cut a part out, by default at the left and above: so what `extend` added is cut off. */
export function crop(old, width, height, left = 0, top = 0) {
  const result = plane(width, height);
  for (let y = 0; y < height; y++) {
    const start = (top + y) * old.width + left;
    result.data.set(old.data.subarray(start, start + width), y * width);
  }
  return result;
}

/** Mean over a square of (2 × radius + 1)² numbers around each (OpenCV's blur). */
export function blur({ width, height, data }, radius, repeats = false) {
  const side = 2 * radius + 1;
  const sums = new Float64Array(width * height);
  // A running sum: what comes in on one side is added, what goes out on the other is taken away.
  const columns = Int32Array.from({ length: width + side }, (_, x) =>
    mirrored(x - radius, width, repeats),
  );
  for (let y = 0; y < height; y++) {
    const start = y * width;
    let sum = 0;
    for (let x = 0; x < side - 1; x++) sum += data[start + columns[x]];
    for (let x = 0; x < width; x++) {
      sum += data[start + columns[x + side - 1]];
      sums[start + x] = sum;
      sum -= data[start + columns[x]];
    }
  }
  const result = plane(width, height);
  const column = new Float64Array(width);
  const add = (y, sign) => {
    const start = mirrored(y, height, repeats) * width;
    for (let x = 0; x < width; x++) column[x] += sign * sums[start + x];
  };
  for (let y = -radius; y < radius; y++) add(y, 1);
  for (let y = 0; y < height; y++) {
    add(y + radius, 1);
    for (let x = 0; x < width; x++) result.data[y * width + x] = column[x] / side ** 2;
    add(y - radius, -1);
  }
  return result;
}

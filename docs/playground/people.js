// Which parts of a matte are people: what is small beside the largest part is a mistake.
// (nstlib/inference/parts.py)

import { plane } from "./planes.js";

/** A part of less than this share of the largest part's area is left out. */
const SMALLEST = 0.05;

/** Leave out small parts of a matte, with the soft pixels that are nearest to them. */
export function keepPeople(alpha, smallest = SMALLEST) {
  const { labels, areas } = parts(alpha);
  const least = smallest * areas.reduce((most, area) => Math.max(most, area), 0);
  const stays = areas.map((area, part) => part > 0 && area >= least);
  if (stays.slice(1).every(Boolean)) return alpha;
  const nearest = nearestParts(alpha, labels);
  return plane(
    alpha.width,
    alpha.height,
    alpha.data.map((share, i) => (stays[nearest[i]] ? share : 0)),
  );
}

/** Tell whether any pixel is surely a person's. */
export function hasPeople(alpha) {
  return alpha.data.some((share) => share > 0.5);
}

/** Number the connected parts of pixels that are surely a person's, from 1, and measure them. */
function parts({ width, height, data }) {
  const labels = new Int32Array(width * height);
  const areas = [0];
  const waiting = [];
  for (let seed = 0; seed < data.length; seed++) {
    if (labels[seed] || !(data[seed] > 0.5)) continue;
    const part = areas.push(0) - 1;
    labels[seed] = part;
    waiting.push(seed);
    while (waiting.length) {
      const place = waiting.pop();
      areas[part]++;
      const x = place % width;
      const y = (place - x) / width;
      for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v++) {
        for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u++) {
          const next = v * width + u;
          if (!labels[next] && data[next] > 0.5) {
            labels[next] = part;
            waiting.push(next);
          }
        }
      }
    }
  }
  return { labels, areas };
}

// Steps to neighbours that a sweep has passed before, and their lengths in 65,536ths of a pixel:
// Borgefors's 5 × 5, in the order and with the numbers of OpenCV, so that ties end alike.
const [STRAIGHT, DIAGONAL, KNIGHT] = [1, 1.4, 2.1969].map((length) => Math.round(65536 * length));
const STEPS = [
  [-1, -2, KNIGHT],
  [1, -2, KNIGHT],
  [-2, -1, KNIGHT],
  [-1, -1, DIAGONAL],
  [0, -1, STRAIGHT],
  [1, -1, DIAGONAL],
  [2, -1, KNIGHT],
  [-1, 0, STRAIGHT],
];

/** Of each pixel, the number of the part that is nearest. Distances go by steps, in two sweeps. */
function nearestParts({ width, height }, labels) {
  const nearest = Int32Array.from(labels);
  const distance = Float64Array.from(labels, (part) => (part ? 0 : Infinity));
  for (const way of [1, -1]) {
    const steps = STEPS.map(([dx, dy, length]) => ({ dx: way * dx, dy: way * dy, length }));
    for (let n = 0; n < labels.length; n++) {
      const place = way > 0 ? n : labels.length - 1 - n;
      if (distance[place] === 0) continue;
      const x = place % width;
      const y = (place - x) / width;
      for (let i = 0; i < steps.length; i++) {
        const { dx, dy, length } = steps[i];
        if (x + dx < 0 || x + dx >= width || y + dy < 0 || y + dy >= height) continue;
        const other = place + dy * width + dx;
        if (distance[other] + length < distance[place]) {
          distance[place] = distance[other] + length;
          nearest[place] = nearest[other];
        }
      }
    }
  }
  return nearest;
}

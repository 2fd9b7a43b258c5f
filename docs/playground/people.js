// Which parts of a matte are people: what is small beside the largest part is a mistake, and so is a
// spot inside of a person of which the network was not sure. (nstlib/inference/parts.py)

import { plane } from "./planes.js";

/** A part of less than this share of the largest part's area is left out. */
const SMALLEST = 0.05;

// A pit in a matte is filled if all of it is above the first number, and it covers no more than the
// second one as a share of the people's area. It reaches up to the third number.
const [UNSURE, LARGEST_PIT, SURE] = [Math.fround(0.1), 0.03, Math.fround(0.9)];

const isSurelyPerson = (share) => share > 0.5;

/** Fill the pits, and leave out small parts, with the soft pixels that are nearest to them. */
export function keepPeople(matte, smallest = SMALLEST) {
  const alpha = fillPits(matte);
  const { labels, areas } = parts(alpha, isSurelyPerson);
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

/**
 * Fill the spots inside of people of which the network was not sure.
 *
 * A gap through which the background is seen has a share near 0 somewhere, or the picture's border
 * beside it; and it is larger.
 */
export function fillPits(alpha) {
  const { width, height, data } = alpha;
  const { labels, areas } = parts(alpha, (share) => share < SURE);
  const largest = LARGEST_PIT * data.reduce((sum, share) => sum + isSurelyPerson(share), 0);
  const isPit = areas.map((area, part) => part > 0 && area <= largest);
  for (let i = 0; i < data.length; i++) {
    const x = i % width;
    const y = (i - x) / width;
    const atBorder = x === 0 || y === 0 || x === width - 1 || y === height - 1;
    if (atBorder || data[i] < UNSURE) isPit[labels[i]] = false;
  }
  return plane(
    width,
    height,
    data.map((share, i) => (isPit[labels[i]] ? 1 : share)),
  );
}

/** Tell whether any pixel is surely a person's. */
export function hasPeople(alpha) {
  return alpha.data.some(isSurelyPerson);
}

/** Number the connected parts of the pixels whose shares `belong`, from 1, and measure them. */
function parts({ width, height, data }, belong) {
  const labels = new Int32Array(width * height);
  const areas = [0];
  const waiting = [];
  for (let seed = 0; seed < data.length; seed++) {
    if (labels[seed] || !belong(data[seed])) continue;
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
          if (!labels[next] && belong(data[next])) {
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

// Where the person is: a network says it coarsely, the picture's own edges say it finely.
// (nstlib/inference/segmenter.py and mattes.py; lessons 11 and 12)

import { clip, combine, plane } from "./planes.js";
import { blur, enlarge, round, shrink } from "./resizing.js";

// The longest side at which the fit is done, the windows' radius as a share of it, the variance
// below which colours count as flat, and how much the contrast is raised at the end.
const [SIDE, RADIUS, EPSILON, CONTRAST] = [512, 1 / 64, 3e-4, 2];

// How bright the brightest 2 % of what the network sees are at least, and how many times brighter a
// picture is made for that at most.
const [BRIGHT, MOST] = [0.6, 30];

// A picture whose brightest 2 % are darker, less than three levels of 255, is black. In black, the
// network finds people; in the middle grey that it sees then, nobody.
const [BLACK, GREY] = [2.5 / 255, 0.5];

/** Say how many times brighter a picture, three planes, must be for a network to see it well. */
export function brightening(photo) {
  return Math.min(MOST, Math.max(1, BRIGHT / Math.max(brightest(photo), 1e-6)));
}

/** The value that 2 % of a picture's lie above; every fourth row and column will do. */
function brightest(photo) {
  const values = [];
  for (const { width, height, data } of photo) {
    for (let y = 0; y < height; y += 4) {
      for (let x = 0; x < width; x += 4) values.push(data[y * width + x]);
    }
  }
  const sorted = Float32Array.from(values).sort();
  const place = 0.98 * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
  return below + (place % 1) * (above - below);
}

/** Bring a photograph to the network's size, (1, 3, height, width), black −1 and white 1. */
export function networkInput(photo, width, height) {
  const seen = photo.map((color) => {
    const small = shrink(color, Math.min(width, color.width), Math.min(height, color.height));
    return enlarge(small, width, height);
  });
  const times = brightening(seen);
  const black = times === MOST && brightest(seen) < BLACK;
  const blob = new Float32Array(3 * width * height);
  seen.forEach(({ data }, channel) => {
    for (let i = 0; i < data.length; i++) {
      const value = black ? GREY : Math.min(1, times * data[i]);
      blob[channel * data.length + i] = 2 * value - 1;
    }
  });
  return blob;
}

/**
 * Make a matte, the share of the person in each pixel.
 *
 * The network's answer is explained, around each pixel, as a linear function of the colours there,
 * by least squares. Where the colours have an edge, that function has it, too: the guided filter of
 * He, Sun and Tang.
 *
 * @param photo three planes
 * @param person a plane, at the network's size: the probability of a person
 */
export function refine(photo, person) {
  const [{ width, height }] = photo;
  // The functions change slowly from place to place, so that a smaller picture is enough for them.
  const scale = Math.min(1, SIDE / Math.max(width, height));
  const small = [width, height].map((side) => Math.max(1, round(side * scale)));
  const dark = photo.map((color) => shrink(color, ...small));
  const times = brightening(dark);
  const guide = dark.map(({ data }) => plane(...small, data.map((value) => times * value)));
  const radius = Math.max(1, round(RADIUS * Math.max(...small)));
  const fit = fitLocally(guide, enlarge(person, ...small), radius, EPSILON);
  const [r, g, b, offset] = fit.map((map) => enlarge(map, width, height));
  const alpha = plane(width, height);
  const [red, green, blue] = photo;
  for (let i = 0; i < alpha.data.length; i++) {
    const value =
      offset.data[i] +
      times *
        (r.data[i] * red.data[i] + g.data[i] * green.data[i] + b.data[i] * blue.data[i]);
    // The means of many windows are softer than the edge is.
    alpha.data[i] = clip(0.5 + CONTRAST * (value - 0.5));
  }
  return alpha;
}

/** Three slopes and the offset of the function that each pixel takes: four planes. */
export function fitLocally(guide, mask, radius, epsilon) {
  const mean = (values) => blur(values, radius, true);
  const times = (x, y) => x * y;
  const means = guide.map(mean);
  const level = mean(mask);
  const covariance = (x, meanOfX, y, meanOfY) =>
    combine((xy, mx, my) => xy - mx * my, mean(combine(times, x, y)), meanOfX, meanOfY).data;
  const ofColors = (i, j) => covariance(guide[i], means[i], guide[j], means[j]);
  const [RR, RG, RB] = [ofColors(0, 0), ofColors(0, 1), ofColors(0, 2)];
  const [GG, GB, BB] = [ofColors(1, 1), ofColors(1, 2), ofColors(2, 2)];
  const [RP, GP, BP] = guide.map((color, i) => covariance(color, means[i], mask, level));
  const fit = [0, 1, 2, 3].map(() => plane(mask.width, mask.height));
  const [slopeR, slopeG, slopeB, offset] = fit.map(({ data }) => data);
  const [meanR, meanG, meanB] = means.map(({ data }) => data);
  for (let i = 0; i < offset.length; i++) {
    // Three equations with three unknowns in each window, by Cramer's rule.
    const [rr, gg, bb] = [RR[i] + epsilon, GG[i] + epsilon, BB[i] + epsilon];
    const [rg, rb, gb] = [RG[i], RB[i], GB[i]];
    const [r, g, b] = [RP[i], GP[i], BP[i]];
    const [c, d, e] = [gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb];
    const determinant = c * rr + d * rg + e * rb;
    slopeR[i] = (c * r + d * g + e * b) / determinant;
    slopeG[i] = (d * r + (rr * bb - rb * rb) * g + (rb * rg - rr * gb) * b) / determinant;
    slopeB[i] = (e * r + (rb * rg - rr * gb) * g + (rr * gg - rg * rg) * b) / determinant;
    offset[i] =
      level.data[i] - slopeR[i] * meanR[i] - slopeG[i] * meanG[i] - slopeB[i] * meanB[i];
  }
  return fit.map(mean);
}

// A photograph of a person, taken apart and laid together again. (nstlib/compose.py; lesson 12)

import { clip, combine, plane } from "./planes.js";
import { blur, enlarge, shrink } from "./resizing.js";

// How often each pixel becomes the mean of its neighbours, at each size; how far these are; and the
// share below which a pixel counts as none of the layer's.
const [PASSES, RADIUS, FAINT] = [5, 2, 0.01];

/** Lay one picture on another: α × foreground + (1 − α) × background. */
export function composite(foreground, background, alpha) {
  return foreground.map((color, channel) =>
    combine((a, f, b) => clip(a * f + (1 - a) * b), alpha, color, background[channel]),
  );
}

/**
 * Estimate what is in front and what is behind.
 *
 * At a soft edge a pixel shows both. Each layer is continued smoothly under the other one, from the
 * coarsest size to the finest; then what is missing from the picture is added to both. So no halo of
 * the old background comes along, and no person is left in the background that is painted.
 *
 * @returns {{foreground, background}} three planes each
 */
export function estimateLayers(picture, alpha) {
  const layers = picture.map((color) => layersOf(color, alpha));
  return {
    foreground: layers.map(([foreground]) => foreground),
    background: layers.map(([, background]) => background),
  };
}

/** Estimate the layers of one colour. */
function layersOf(color, alpha) {
  const pyramid = [[color, alpha]];
  for (;;) {
    const [{ width, height }] = pyramid.at(-1);
    if (Math.max(width, height) <= 2) break;
    const half = [Math.ceil(width / 2), Math.ceil(height / 2)];
    pyramid.push(pyramid.at(-1).map((map) => shrink(map, ...half)));
  }
  const mean = color.data.reduce((sum, value) => sum + value, 0) / color.data.length;
  let foreground = plane(1, 1, Float32Array.of(mean));
  let background = foreground;
  for (let level = pyramid.length - 1; level >= 0; level--) {
    const [original, a] = pyramid[level];
    const b = combine((share) => 1 - share, a);
    foreground = enlarge(foreground, a.width, a.height);
    background = enlarge(background, a.width, a.height);
    for (let pass = 0; pass < (level ? PASSES : 1); pass++) {
      if (level) {
        foreground = spread(foreground, a);
        background = spread(background, b);
      }
      const [front, back] = [foreground.data, background.data];
      for (let i = 0; i < front.length; i++) {
        const [s, t] = [a.data[i], 1 - a.data[i]];
        const missing = (original.data[i] - s * front[i] - t * back[i]) / (s * s + t * t);
        front[i] += s * missing;
        back[i] += t * missing;
      }
    }
  }
  stopAtEnds(color, alpha, foreground, background);
  return [foreground, background].map((layer) => combine(clip, layer));
}

/** Where a layer would have to leave 0 to 1, the other one makes up for the rest. */
function stopAtEnds(color, alpha, foreground, background) {
  for (let i = 0; i < color.data.length; i++) {
    const share = alpha.data[i];
    if (share === 0 || share === 1) continue;
    const [front, behind] = [
      { data: foreground.data, own: share },
      { data: background.data, own: 1 - share },
    ];
    for (const [layer, other] of [[front, behind], [behind, front]]) {
      const stopped = clip(layer.data[i]);
      if (stopped === layer.data[i]) continue;
      layer.data[i] = stopped;
      other.data[i] = (color.data[i] - layer.own * stopped) / other.own;
    }
  }
}

/** Mean of a pixel's neighbours by their share; without any, it stays as it was. */
function spread(layer, share) {
  const weighted = blur(combine((value, weight) => value * weight, layer, share), RADIUS);
  return combine(
    (sum, value, weight) => (sum + FAINT * value) / (weight + FAINT),
    weighted,
    layer,
    blur(share, RADIUS),
  );
}

// A painting gets its style's colours: their mean, and how red, green and blue vary together
// (nstlib/inference/any_style.py, recolored; nstlib/images/colors.py, color_map). Matrices are three
// rows of three.

import { clip, plane } from "./planes.js";

/** No difference of colours is enlarged more than so many times. */
const MOST_GAIN = 2;
/** A variance of brightness that all pictures are taken to have besides their own. */
const BRIGHTNESS = 0.001;
/** Below that there is nothing to scale. */
const LEAST = 1e-8;

/** The upper triangle of a symmetric matrix, row by row. */
const TRIANGLE = [
  [0, 0],
  [0, 1],
  [0, 2],
  [1, 1],
  [1, 2],
  [2, 2],
];

/** Find the mean of a picture's colours, and their covariance. */
export function colorStatistics(picture) {
  const means = picture.map(({ data }) => data.reduce((sum, x) => sum + x, 0) / data.length);
  const covariance = matrix((i, j) => {
    const [a, b] = [picture[i].data, picture[j].data];
    let sum = 0;
    for (let k = 0; k < a.length; k++) sum += (a[k] - means[i]) * (b[k] - means[j]);
    return sum / a.length;
  });
  return [means, covariance];
}

/** The root of the covariance matrix of a picture's colours: six numbers. */
export function colorRoot(picture) {
  const root = power(colorStatistics(picture)[1], 0.5);
  return TRIANGLE.map(([i, j]) => root[i][j]);
}

/** Give a painting the colours of the style with this vector. */
export function recolored(painting, vector) {
  const told = Array.from(vector.slice(-12));
  const wantedMeans = told.slice(0, 3);
  const root = matrix(() => 0);
  TRIANGLE.forEach(([i, j], k) => (root[i][j] = root[j][i] = told[6 + k]));
  const [means, covariance] = colorStatistics(painting);
  const lit = (c) => matrix((i, j) => c[i][j] + BRIGHTNESS);
  const map = colorMap(lit(covariance), lit(times(root, root)));
  const [{ width, height }] = painting;
  return painting.map((_, i) => {
    const color = plane(width, height);
    const shift = wantedMeans[i] - dot(map[i], means);
    const [r, g, b] = painting.map(({ data }) => data);
    for (let k = 0; k < r.length; k++) {
      color.data[k] = clip(map[i][0] * r[k] + map[i][1] * g[k] + map[i][2] * b[k] + shift);
    }
    return color;
  });
}

/** Find the linear map between colours of two covariances that changes them least. */
export function colorMap(covariance, wanted) {
  const root = power(covariance, 0.5);
  const inverse = power(covariance, -0.5);
  const between = power(times(times(root, wanted), root), 0.5);
  return changed(times(times(inverse, between), inverse), (gain) => Math.min(gain, MOST_GAIN));
}

function power(symmetric, exponent) {
  const least = exponent < 0 ? LEAST : 0;
  return changed(symmetric, (value) => (value > least ? value ** exponent : 0));
}

/** Change the eigenvalues of a symmetric matrix. */
function changed(symmetric, change) {
  const [values, axes] = eigen(symmetric);
  const scaled = axes.map((row) => row.map((x, j) => x * change(values[j])));
  return times(scaled, transposed(axes));
}

/** Eigenvalues of a symmetric matrix, and its eigenvectors as columns: Jacobi's rotations. */
function eigen(symmetric) {
  let values = matrix((i, j) => (symmetric[i][j] + symmetric[j][i]) / 2);
  let axes = matrix((i, j) => Number(i === j));
  // Each round squares what is off the diagonal; after four of them nothing is left.
  for (let round = 0; round < 12; round++) {
    for (const [p, q] of [TRIANGLE[1], TRIANGLE[2], TRIANGLE[4]]) {
      const angle = Math.atan2(2 * values[p][q], values[q][q] - values[p][p]) / 2;
      const [c, s] = [Math.cos(angle), Math.sin(angle)];
      const rotation = matrix((i, j) => Number(i === j));
      [rotation[p][p], rotation[q][q], rotation[p][q], rotation[q][p]] = [c, c, s, -s];
      values = times(times(transposed(rotation), values), rotation);
      axes = times(axes, rotation);
    }
  }
  return [[0, 1, 2].map((i) => values[i][i]), axes];
}

const matrix = (entry) => [0, 1, 2].map((i) => [0, 1, 2].map((j) => entry(i, j)));
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const transposed = (a) => matrix((i, j) => a[j][i]);
const times = (a, b) => matrix((i, j) => dot(a[i], transposed(b)[j]));

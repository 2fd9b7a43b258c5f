// Any picture as a style: one network looks at it and describes its style by 256 numbers; with six
// more, on its colours, they are the style's vector. Another network takes a photograph and the 256,
// and paints. (nstlib/inference/any_style.py; lesson 13)

import { colorRoot, recolored } from "./colors.js";
import { load } from "./loading.js";
import { clip, combine, plane } from "./planes.js";
import { crop, enlargeSmoothly, extend, round, shrink } from "./resizing.js";

/** Of what the painter's sides are multiples. */
const STEP = 8;
/** The numbers of a vector that the networks share. */
const NETWORK_VECTOR = 256;
/** The shorter side at which a style is looked at; a photograph's own style, from least to most. */
const [SIZE, OWN_LEAST, OWN_MOST] = [320, 16, 512];
/** A picture is looked at no further than this many times its shorter side. */
const LONGEST = 4;

/** Width and height that are enough of a picture to look at its style. */
export function forStyle(width, height) {
  const scale = Math.min(1, SIZE / Math.min(width, height));
  return [width, height].map((side) => Math.max(1, round(side * scale)));
}

export class AnyStyle {
  #encoder;
  #painter;
  /** Of photographs: their own vectors, and what the painter makes of them in their own style. */
  #own = new WeakMap();

  /** @param files those of the `encoder` and the `painter`, which are loaded only when needed */
  static async load(files, runtime, report) {
    const anyStyle = new AnyStyle();
    const look = await load(files.encoder, "the network that looks at styles", report);
    anyStyle.#encoder = await runtime.network(look, "any_style_encoder.onnx");
    const paint = await load(files.painter, "the network that paints any style", report);
    anyStyle.#painter = await runtime.network(paint, "any_style_painter.onnx", 2);
    return anyStyle;
  }

  /** Look at a picture: its style can paint, and be mixed with another. */
  async of(picture) {
    return this.#by(await this.#look(picture, SIZE));
  }

  /** Mix two styles by their vectors, from all of the first (share 0) to all of the second (1). */
  mixed(first, second, share) {
    return this.#by(Float32Array.from(first, (number, i) => number + share * (second[i] - number)));
  }

  #by(vector) {
    return {
      vector,
      weakens: true,
      paint: (photo, strength) =>
        strength < 1 ? this.#weaker(vector, photo, strength) : this.#paint(vector, photo),
    };
  }

  async #look(picture, size) {
    const seen = atSize(picture, size);
    const [{ width, height }] = seen;
    const { data } = await this.#encoder.run(joined(seen), [1, 3, height, width]);
    return Float32Array.of(...data, ...colorRoot(seen));
  }

  async #paint(vector, photo) {
    const [{ width, height }] = photo;
    const [wide, high] = [width, height].map((side) =>
      Math.max(4 * STEP, Math.ceil(side / STEP) * STEP),
    );
    const padded = photo.map((color) => extend(color, wide, high));
    const told = vector.slice(0, NETWORK_VECTOR);
    const { data } = await this.#painter.run(joined(padded), [1, 3, high, wide], told);
    const painting = photo.map((_, channel) => {
      const start = channel * wide * high;
      const color = plane(wide, high, data.subarray(start, start + wide * high));
      return combine(clip, crop(color, width, height));
    });
    return recolored(painting, vector);
  }

  /**
   * Paint in a style between the photograph's own and this one: fewer and gentler strokes.
   *
   * In its own style the network leaves a photograph nearly as it is. What it changes all the same
   * is put back, as far as the photograph counts.
   */
  async #weaker(vector, photo, strength) {
    if (!this.#own.has(photo)) {
      const [{ width, height }] = photo;
      const size = Math.min(Math.max(OWN_LEAST, Math.min(width, height)), OWN_MOST);
      const own = await this.#look(photo, size);
      this.#own.set(photo, { own, beginning: await this.#paint(own, photo) });
    }
    const { own, beginning } = this.#own.get(photo);
    const between = await this.#paint(
      own.map((number, i) => number + strength * (vector[i] - number)),
      photo,
    );
    return between.map((color, channel) =>
      combine(
        (painted, old, begun) => clip(painted + (1 - strength) * (old - begun)),
        color,
        photo[channel],
        beginning[channel],
      ),
    );
  }
}

/** Bring a picture's shorter side to a size, without what lies far from its middle. */
export function atSize(picture, size) {
  const [{ width, height }] = picture;
  const longest = LONGEST * Math.min(width, height);
  const [wide, high] = [Math.min(width, longest), Math.min(height, longest)];
  const [left, top] = [Math.floor((width - wide) / 2), Math.floor((height - high) / 2)];
  const scale = size / Math.min(wide, high);
  const sides = [wide, high].map((side) => Math.max(size, round(side * scale)));
  return picture.map((color) => {
    const middle = crop(color, wide, high, left, top);
    const small = shrink(middle, Math.min(wide, sides[0]), Math.min(high, sides[1]));
    return enlargeSmoothly(small, ...sides);
  });
}

/** One colour after the other, as networks take them. */
function joined(picture) {
  const size = picture[0].data.length;
  const numbers = new Float32Array(picture.length * size);
  picture.forEach(({ data }, channel) => numbers.set(data, channel * size));
  return numbers;
}

// One photograph, painted in parts. (nstlib/compose.py and images/colors.py; lessons 08 and 12)

import { composite, estimateLayers } from "./layers.js";
import { clip, combine } from "./planes.js";

/** How many paintings of a photograph are kept, so that only what has changed is done again. */
const KEPT = 4;

export class Composition {
  #photo;
  #findPerson;
  #parts = null;
  #paintings = [];

  /**
   * @param photo three planes
   * @param findPerson takes them, and gives the matte: the person's share in each pixel
   */
  constructor(photo, findPerson) {
    this.#photo = photo;
    this.#findPerson = findPerson;
  }

  /**
   * Paint the "background", the "person" or "all".
   *
   * @param style see styles.js
   * @param strength 0 leaves the photograph as it is, 1 paints it
   * @param keepColors take the painting's brightness alone
   */
  async paint(style, part, strength, keepColors) {
    const painted = async (name, layer) => {
      if (strength === 0) return layer;
      const painting = await this.#painting(style, name, layer, style.weakens ? strength : 1);
      const colored = keepColors ? replaceLuminance(layer, painting) : painting;
      return style.weakens ? colored : mix(layer, colored, strength);
    };
    if (part === "all") return painted("photo", this.#photo);
    const { alpha, foreground, background } = await this.parts();
    if (part === "person") {
      // With the background still behind, so that strokes follow the outline.
      const layers = estimateLayers(await painted("photo", this.#photo), alpha);
      return composite(layers.foreground, background, alpha);
    }
    // Without the person, of whom strokes would tell far into the background.
    return composite(foreground, await painted("background", background), alpha);
  }

  /** Take the photograph apart, once. */
  async parts() {
    if (!this.#parts) {
      const alpha = await this.#findPerson(this.#photo);
      this.#parts = { alpha, ...estimateLayers(this.#photo, alpha) };
    }
    return this.#parts;
  }

  async #painting(style, name, layer, strength) {
    let kept = this.#paintings.find(
      (entry) => entry.style === style && entry.name === name && entry.strength === strength,
    );
    if (!kept) {
      kept = { style, name, strength, picture: await style.paint(layer, strength) };
      this.#paintings = [kept, ...this.#paintings].slice(0, KEPT);
    }
    return kept.picture;
  }
}

/** Go from one picture towards another. */
export function mix(from, to, strength) {
  return from.map((color, channel) =>
    combine((a, b) => clip(a + strength * (b - a)), color, to[channel]),
  );
}

/**
 * Keep a picture's colours, and take the brightness from another one.
 *
 * In YIQ, brightness is Y = 0.299 R + 0.587 G + 0.114 B, and I and Q do not change when the same
 * number is added to red, green and blue. So the difference in Y is what has to be added.
 */
export function replaceLuminance(picture, painting) {
  const luminance = ([r, g, b]) => combine((x, y, z) => 0.299 * x + 0.587 * y + 0.114 * z, r, g, b);
  const [old, wanted] = [luminance(picture), luminance(painting)];
  return picture.map((color) => combine((x, y, z) => clip(x + z - y), color, old, wanted));
}

// A style is an object with a function `paint`, which takes a picture and gives one of its size:
//
//     { async paint(photo) }
//
// Here are those of a network that has learned one style; anystyle.js has those of pictures, which
// also paint more weakly by themselves, and can be mixed by their vectors:
//
//     { weakens: true, async paint(photo, strength), vector }
//
// (nstlib/inference/stylizer.py; lessons 09 and 10)

import { firstLine, Sentence } from "./errors.js";
import { describe } from "./onnxfile.js";
import { clip, plane } from "./planes.js";
import { crop, extend } from "./resizing.js";

// Of what the sides of pictures have to be multiples: the first number that suits the network.
const STEPS = [4, 8, 16, 32];

/**
 * Make a style of a network that takes a picture of any size and gives one of the same size.
 *
 * @param name what messages call it
 * @param bytes an ONNX file
 * @param runtime what runs it, see networks.js
 */
export async function networkStyle(name, bytes, runtime) {
  const { metadata, lastOperator } = describe(bytes, name);
  const network = await runtime.network(bytes, name);
  const channelsLast = checkInput(network.input, name);
  const scales = knownScales(metadata, lastOperator, name);

  /** Run the network: three planes in, three planes out, on its own scales. */
  async function compute(photo) {
    const [{ width, height }] = photo;
    const size = width * height;
    const place = (pixel, channel) => (channelsLast ? 3 * pixel + channel : channel * size + pixel);
    const shape = channelsLast ? [1, height, width, 3] : [1, 3, height, width];
    const [black, white] = scales.taken;
    const input = new Float32Array(3 * size);
    photo.forEach(({ data }, channel) => {
      for (let i = 0; i < size; i++) input[place(i, channel)] = black + (white - black) * data[i];
    });
    const output = await network.run(input, shape);
    if (output.shape.join() !== shape.join()) {
      throw new Sentence(
        `${name} makes ${output.shape.join(" × ")} numbers of ${shape.join(" × ")}. A style ` +
          "network gives back a picture of the size that it was given.",
      );
    }
    if (!output.data.every(Number.isFinite)) {
      throw new Sentence(`${name} computes values that are no numbers; train it again.`);
    }
    return photo.map((_, channel) => {
      const result = plane(width, height);
      for (let i = 0; i < size; i++) result.data[i] = output.data[place(i, channel)];
      return result;
    });
  }

  const { step, painting } = await firstThatWorks(name, STEPS, async (step) => ({
    step,
    painting: await compute(trialPicture(96 + step, 64 + step)),
  }));
  scales.given ??= guessScale(painting);

  return {
    async paint(photo) {
      const [{ width, height }] = photo;
      // Room for the mirrored borders that the networks' own layers make, as well.
      const sides = [width, height].map((side) =>
        Math.max(4 * step, Math.ceil(side / step) * step),
      );
      const planes = await compute(photo.map((color) => extend(color, ...sides)));
      const [black, white] = scales.given;
      return planes.map((color) => {
        const result = crop(color, width, height);
        result.data.forEach((value, i, data) => {
          data[i] = clip((value - black) / (white - black));
        });
        return result;
      });
    },
  };
}

/** Check that a network takes pictures of any size; tell whether their channels come last. */
function checkInput({ type, shape }, name) {
  const channelsLast = shape.length === 4 && shape[3] === 3 && shape[1] !== 3;
  const channels = channelsLast ? shape[3] : shape[1];
  if (type !== "float32" || shape.length !== 4 || channels !== 3) {
    throw new Sentence(
      `${name} takes ${type} of shape (${shape.join(", ")}). This page runs style networks that ` +
        "take a float32 picture of three colours.",
    );
  }
  const sides = channelsLast ? shape.slice(1, 3) : shape.slice(2);
  if (sides.some((side) => side > 0)) {
    throw new Sentence(
      `${name} takes pictures of ${sides.join(" × ")} only. Export it with free sides, or paint ` +
        `with it on the command line: nst stylize photo.jpg -s ${name}`,
    );
  }
  return channelsLast;
}

/** What black and white are to a network, as far as its file tells. */
function knownScales({ value_range: written }, lastOperator, name) {
  if (written !== undefined) {
    const numbers = written.split(",").map(Number);
    const rising = numbers.every((number, i) => i % 2 === 0 || numbers[i - 1] < number);
    if (![2, 4].includes(numbers.length) || !numbers.every(Number.isFinite) || !rising) {
      throw new Sentence(
        `${name} says that its value_range is “${written}”; this page reads two or four numbers, ` +
          "the lower one of each two first.",
      );
    }
    return { taken: numbers.slice(0, 2), given: numbers.slice(-2) };
  }
  const end = { Tanh: [-1, 1], Sigmoid: [0, 1] }[lastOperator];
  return { taken: end ?? [0, 255], given: end };
}

/** Tell from what a network makes of the trial picture on which scale that is. */
function guessScale(painting) {
  let [low, high] = [Infinity, -Infinity];
  for (const { data } of painting) {
    for (const value of data) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  if (Math.max(-low, high) > 1.5) return [0, 255];
  return low < -0.25 ? [-1, 1] : [0, 1];
}

/** A picture of soft waves in all colours, from black to white. */
function trialPicture(width, height) {
  return [7, 11, 13].map((length) => {
    const result = plane(width, height);
    result.data.forEach((_, i, data) => {
      const [x, y] = [i % width, Math.floor(i / width)];
      data[i] = 0.5 + 0.5 * Math.sin(x / length) * Math.cos(y / length);
    });
    return result;
  });
}

/** Try one after the other; if none works, say what was wrong with the first. */
async function firstThatWorks(name, choices, attempt) {
  const faults = [];
  for (const choice of choices) {
    try {
      return await attempt(choice);
    } catch (fault) {
      faults.push(fault);
    }
  }
  if (faults[0] instanceof Sentence) throw faults[0];
  throw new Sentence(`${name} cannot be run: ${firstLine(faults[0])}`);
}

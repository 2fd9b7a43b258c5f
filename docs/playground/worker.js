// What takes time is done here, in a thread of its own, so that the page never stands still.
//
// The page sends { number, task, ...what the task takes }; back come { number, result } or
// { number, sentence }, and on the way { progress }. Tasks are done one after the other.

import { AnyStyle, forStyle } from "./anystyle.js";
import { Sentence } from "./errors.js";
import { load } from "./loading.js";
import { networkInput, refine } from "./matting.js";
import { Runtime } from "./networks.js";
import { Composition } from "./painting.js";
import { hasPeople, keepPeople } from "./people.js";
import { readPhoto } from "./photographs.js";
import { plane, toPixels } from "./planes.js";
import { fitted } from "./resizing.js";
import { networkStyle } from "./styles.js";

let files, runtime, composition, personNetwork, anyStyle, mixture;
/** By the values that they have on the page. */
const styles = new Map();

const tasks = {
  /** Get ready; `kind` names a runtime, or is null for the best. */
  start(message) {
    files = message.files;
    runtime = new Runtime(files.runtimes, message.kind, report);
  },

  /** Open a photograph. Gives it as it will be painted. */
  async open({ blob, name, longest }) {
    report({ doing: "Reading the picture" });
    const photo = await readPhoto(blob, name, (...sides) => fitted(...sides, longest));
    composition = new Composition(photo, findPerson);
    return toPixels(photo);
  },

  /** Take a network of the visitor's own as a style. */
  async learn({ style, name, blob }) {
    report({ doing: "Trying the network" });
    styles.set(style, await networkStyle(name, new Uint8Array(await blob.arrayBuffer()), runtime));
  },

  /** Look at a picture, whose style can be painted from then on. */
  async look({ style, name, blob }) {
    report({ doing: "Reading the picture" });
    const picture = await readPhoto(blob, name, forStyle);
    await loadAnyStyle();
    report({ doing: "Looking at the style" });
    styles.set(style, await anyStyle.of(picture));
  },

  /**
   * Paint the photograph; tell whether a person was found, if that was asked.
   *
   * If there is a second style, its `share` says how much of it is mixed into the first one.
   */
  async paint({ style: first, second, share, part, strength, keepColors }) {
    const style = second ? await mixtureOf(first, second, share) : await styleOf(first);
    const found = part === "all" ? null : hasPeople((await composition.parts()).alpha);
    report({ doing: "Painting" });
    const picture = await composition.paint(style, part, strength, keepColors);
    return { pixels: toPixels(picture), found, runtime: runtime.kind };
  },
};

async function loadAnyStyle() {
  anyStyle ??= await AnyStyle.load(files.anyStyle, runtime, report);
}

/** Give the style of a value; one of the library's is loaded when it is first needed. */
async function styleOf(value) {
  if (!styles.has(value)) {
    const entry = named(value);
    const bytes = await load(entry, "the style", report);
    styles.set(value, await networkStyle(entry.title, bytes, runtime));
  }
  return styles.get(value);
}

/** Mix two styles. The last mixture is kept: what it painted counts for other parts as well. */
async function mixtureOf(first, second, share) {
  await loadAnyStyle();
  // A network of one style has no vector. That of the picture which it learned from is in the list.
  const vectorOf = (value) => (named(value) ?? styles.get(value)).vector;
  const [one, other] = [first, second].map(vectorOf);
  if (mixture?.one !== one || mixture.other !== other || mixture.share !== share) {
    mixture = { one, other, share, style: anyStyle.mixed(one, other, share) };
  }
  return mixture.style;
}

function named(value) {
  return files.styles.find(({ name }) => name === value);
}

async function findPerson(photo) {
  if (!personNetwork) {
    const bytes = await load(files.person, "the network that finds people", report);
    personNetwork = await runtime.network(bytes, "person.onnx");
  }
  report({ doing: "Finding the person" });
  const [height, width] = personNetwork.input.shape.slice(2);
  const shape = [1, 3, height, width];
  const { data } = await personNetwork.run(networkInput(photo, width, height), shape);
  // The second of two channels: the first one is the background.
  const person = plane(width, height, Float32Array.from(data.subarray(width * height)));
  return keepPeople(refine(photo, person));
}

function report(progress) {
  postMessage({ progress });
}

let last = Promise.resolve();
addEventListener("message", ({ data: { number, task, ...message } }) => {
  last = last.then(async () => {
    try {
      postMessage({ number, result: await tasks[task](message) });
    } catch (error) {
      if (!(error instanceof Sentence)) console.warn(error);
      const sentence = error instanceof Sentence ? error.message : null;
      postMessage({ number, sentence, fault: String(error) });
    }
  });
});

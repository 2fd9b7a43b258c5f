// The page: what the visitor does becomes tasks for the worker, and what it gives is shown.

import { Camera } from "./camera.js";
import { Helper } from "./helper.js";
import { reached } from "./loading.js";
import { firstLine, Sentence } from "./errors.js";

const find = (id) => document.getElementById(id);
const ids = ["bar", "controls", "problem", "stage", "status"];
const [bar, controls, problem, stage, status] = ids.map(find);

let helper;
/** The open photograph: {blob, name}. */
let photo = null;
/** What the painting that is shown would be called as a file. */
let fileName = "";
/** Whether the picture is to be painted again as soon as the worker is free. */
let [wanted, working] = [false, false];
/** The styles by their values: a title, what is said about each, and whether it can be mixed. */
const styles = new Map();

await begin();

async function begin() {
  const missing = whatIsMissing();
  if (missing) {
    find("unable").textContent =
      `The playground cannot run in this browser: it lacks ${missing}. Current versions of Chrome, ` +
      "Edge, Firefox and Safari have it.";
    return;
  }
  const files = await (await fetch(new URL("files.json", import.meta.url))).json();
  const kind = new URLSearchParams(location.search).get("runtime");
  helper = new Helper(showProgress);
  await helper.ask("start", { files, kind: kind in files.runtimes ? kind : null });
  for (const sample of files.samples) addSample(sample);
  for (const { name, title, made, sample } of files.styles) {
    addStyle(name, { title, made, mixes: true }, sample);
  }
  listen();
  tellChoices();
  find("unable").remove();
  find("studio").hidden = false;
}

/** Name what this browser lacks; null if it has everything. */
function whatIsMissing() {
  // The smallest program that computes with four numbers at once.
  const simd = Uint8Array.of(
    ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0],
    ...[253, 15, 253, 98, 11],
  );
  if (!globalThis.WebAssembly?.validate(simd)) return "WebAssembly with SIMD";
  if (!globalThis.OffscreenCanvas?.prototype.getContext) return "OffscreenCanvas";
  return null;
}

function listen() {
  choosing(find("choose"), find("photo-file"));
  choosing(find("any"), find("style-file"), look);
  choosing(find("own"), find("network-file"));
  find("save").addEventListener("click", save);
  find("size").addEventListener("change", () => photo && open(photo.blob, photo.name));
  controls.addEventListener("submit", (event) => event.preventDefault());
  controls.addEventListener("input", tellChoices);
  // Of a new size and of a file, the listeners above see to it.
  controls.addEventListener("change", ({ target }) => {
    if (target.id !== "size" && target.type !== "file") paint();
  });
  const camera = new Camera(find("camera-dialog"), (blob) => open(blob, "camera"));
  find("camera").addEventListener("click", () => attempt(() => camera.open()));
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      const onStyles = Boolean(event.target.closest?.("#styles"));
      const over = ["dragenter", "dragover"].includes(kind);
      find("drop").classList.toggle("over", over && !onStyles);
      find("styles").classList.toggle("over", over && onStyles);
      if (kind === "drop") take(event.dataTransfer.files, onStyles ? look : undefined);
    });
  }
}

/** Let a button choose files. */
function choosing(button, input, use) {
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    take(input.files, use);
    input.value = ""; // so that the same file can be chosen again
  });
}

/** Take a file that was chosen or dropped: a network, or a picture and what it is for. */
function take([file], use = (picture) => open(picture, picture.name)) {
  if (!file) return;
  if (/\.onnx$/i.test(file.name)) learn(file);
  else use(file);
}

function addSample({ path, title }) {
  const button = document.createElement("button");
  const picture = Object.assign(new Image(), { loading: "lazy", src: path, alt: title });
  button.type = "button";
  button.append(picture);
  button.addEventListener("click", () =>
    attempt(async () => open(await (await reached(path, "this photograph")).blob(), title)),
  );
  find("samples").append(button);
}

/** Add a style to those that can be chosen, and, if it can be mixed, to those for a mixture. */
function addStyle(value, style, sample) {
  const label = document.createElement("label");
  const choice = Object.assign(document.createElement("input"), {
    type: "radio",
    name: "style",
    value,
    required: true,
    checked: styles.size === 0,
  });
  const swatch = document.createElement("span");
  swatch.className = "swatch";
  if (sample) swatch.style.backgroundImage = `url("${sample}")`;
  else swatch.append(".onnx");
  label.append(choice, swatch, style.title);
  find("any").before(label);
  if (style.mixes) find("second").add(new Option(style.title, value));
  styles.set(value, style);
  return choice;
}

/** Open a photograph, and paint it. */
function open(blob, name) {
  return attempt(async () => {
    const longest = Number(find("size").value);
    const pixels = await helper.ask("open", { blob, name, longest });
    show(find("original"), pixels);
    // What was painted before does not belong to this photograph.
    show(find("result"), pixels);
    find("result").setAttribute("aria-label", "Nothing is painted yet");
    find("save").hidden = true;
    photo = { blob, name: name.replace(/\.[^.]*$/, "") };
    stage.hidden = false;
    find("drop").classList.add("small");
    find("invitation").textContent = "Another photograph:";
    paint();
  });
}

/** Take a network of the visitor's own as a style. */
function learn(file) {
  return attempt(async () => {
    const style = valueOf(file);
    await helper.ask("learn", { style, name: file.name, blob: file });
    choose(style, {
      title: titleOf(file),
      made:
        "Your own network. It has learned one style and cannot be mixed. Pictures can, and so can " +
        "the named styles: each stands for the picture that it was learned from.",
      mixes: false,
    });
    say("The network works.");
  });
}

/** Take the style of a picture. */
function look(file) {
  return attempt(async () => {
    const style = valueOf(file);
    await helper.ask("look", { style, name: file.name, blob: file });
    const sample = URL.createObjectURL(file);
    choose(style, { title: titleOf(file), made: "The style of your picture.", mixes: true }, sample);
    say(photo ? "" : "The style is known. Now choose a photograph.");
  });
}

/** The value of a visitor's style. No file's name has a slash, so no named style has this value. */
function valueOf(file) {
  return `yours/${file.name}`;
}

function titleOf(file) {
  return file.name.replace(/\.[^.]*$/, "");
}

/** Choose a style of the visitor's, which is added if it is new, and paint. */
function choose(value, style, sample) {
  const known = [...controls.elements.style].find((input) => input.value === value);
  const choice = known ?? addStyle(value, style, sample);
  // A file of the same name may be another picture.
  if (sample) choice.nextSibling.style.backgroundImage = `url("${sample}")`;
  choice.checked = true;
  tellChoices();
  paint();
}

/** Say what the controls are set to. What cannot be mixed with the chosen style cannot be chosen. */
function tellChoices() {
  const { style, strength } = options();
  const second = find("second");
  second.disabled = !styles.get(style).mixes;
  for (const option of second.options) option.disabled = option.value === style;
  if (second.disabled || second.value === style) second.value = "";
  const mixed = Boolean(second.value);
  find("strength-shown").textContent = `${Math.round(100 * strength)} %`;
  find("share-line").hidden = !mixed;
  find("share-shown").textContent = mixed ? titleOfChoice(options()) : "";
  find("about").textContent = mixed
    ? "The network for any style paints this mixture, from the pictures of both styles."
    : styles.get(style).made;
}

/** What the chosen style is called: "Candy", or "30 % Candy, 70 % Mosaic". */
function titleOfChoice({ style, second, share }) {
  const { title } = styles.get(style);
  if (!second) return title;
  const percent = Math.round(100 * share);
  return `${100 - percent} % ${title}, ${percent} % ${styles.get(second).title}`;
}

function options() {
  return {
    style: controls.elements.style.value,
    second: find("second").value,
    share: Number(find("share").value) / 100,
    part: controls.elements.part.value,
    strength: Number(find("strength").value) / 100,
    keepColors: find("keep-colors").checked,
  };
}

/** Paint as the controls say. While that is done, only the last of further wishes is kept. */
async function paint() {
  if (!photo) return;
  wanted = true;
  if (working) return;
  working = true;
  stage.setAttribute("aria-busy", "true");
  while (wanted) {
    wanted = false;
    const chosen = options();
    await attempt(async () => {
      const { pixels, found, runtime } = await helper.ask("paint", chosen);
      show(find("result"), pixels);
      const title = titleOfChoice(chosen);
      const description = `The photograph, ${chosen.part} painted: ${title}`;
      find("result").setAttribute("aria-label", description);
      fileName = `${photo.name} ${title}.png`.replace(/[^\p{L}\p{N}.-]+/gu, "_");
      find("save").hidden = false;
      say(done(found, chosen.part, runtime));
    });
  }
  stage.removeAttribute("aria-busy");
  working = false;
}

function done(found, part, runtime) {
  const by = runtime === "webgpu" ? "graphics card" : "processor";
  const nobody = {
    background: "No person was found, so everything is background. ",
    person: "No person was found, so nothing is painted. ",
  };
  return `${found === false ? nobody[part] : ""}Painted on this machine, by its ${by}.`;
}

function show(canvas, pixels) {
  canvas.width = pixels.width;
  canvas.height = pixels.height;
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

function save() {
  find("result").toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = fileName;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }, "image/png");
}

/** Do something; if that fails, say why. */
async function attempt(work) {
  problem.hidden = true;
  try {
    await work();
  } catch (error) {
    say("");
    problem.hidden = false;
    problem.textContent =
      error instanceof Sentence
        ? error.message
        : `That did not work (${firstLine(error)}). A smaller size may help, or loading the page again.`;
    // On a phone the sentence stands below both pictures.
    problem.scrollIntoView({ block: "nearest" });
  }
}

function say(text) {
  status.textContent = text;
  bar.hidden = true;
}

function showProgress({ doing, what, come, size }) {
  const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
  // Numbers that change all the time are for the bar, not for who listens to the page.
  say(doing ? `${doing} …` : `Loading ${what}, ${megabytes(size)} MB …`);
  bar.hidden = Boolean(doing);
  bar.value = doing ? 0 : come / size;
}

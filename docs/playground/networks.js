// ONNX files at work in the browser, by ONNX Runtime Web: on the graphics card by WebGPU where there
// is one, else on the processor, by WebAssembly.

import { firstLine, Sentence } from "./errors.js";
import { load } from "./loading.js";

export class Runtime {
  #builds;
  #report;
  #loading = null;

  /**
   * @param builds of "wasm" and "webgpu", the paths of the `script` and of the `binary` with its size
   * @param kind which of them; null for the best that works here
   * @param report told how far loading is
   */
  constructor(builds, kind, report) {
    this.#builds = builds;
    this.kind = kind;
    this.#report = report;
  }

  /** Make a network of an ONNX file's bytes. Of its `inputs`, the first one is a picture. */
  async network(bytes, name, inputs = 1) {
    let session = await this.#start(bytes, name);
    let kind = this.kind;
    const { inputMetadata, inputNames, outputNames } = session;
    if (inputNames.length !== inputs) {
      throw new Sentence(`${name} takes ${inputNames.length} inputs; it must be one, a picture.`);
    }
    /** Numbers and their shape in, numbers and their shape out. A style's vector may come along. */
    const run = async (numbers, shape, vector = null) => {
      if (kind !== this.kind) {
        session = await this.#start(bytes, name);
        kind = this.kind;
      }
      try {
        const ort = await this.#ort();
        const tensor = (values, sides) => new ort.Tensor("float32", values, sides);
        const given = { [inputNames[0]]: tensor(numbers, shape) };
        if (vector) given[inputNames[1]] = tensor(vector, [1, vector.length, 1, 1]);
        const results = await session.run(given);
        const output = results[outputNames[0]];
        const result = { data: await output.getData(), shape: output.dims };
        for (const tensor of Object.values(results)) tensor.dispose();
        return result;
      } catch (error) {
        if (!this.#fallBack()) throw error;
        return run(numbers, shape, vector);
      }
    };
    return { input: inputMetadata[0], run };
  }

  async #start(bytes, name) {
    const ort = await this.#ort();
    try {
      // The runtime may keep the bytes that it is given.
      return await ort.InferenceSession.create(bytes.slice(), {
        executionProviders: [this.kind],
        logSeverityLevel: 4, // what fails is thrown as well
      });
    } catch (error) {
      if (this.#fallBack()) return this.#start(bytes, name);
      throw new Sentence(`${name} cannot be run in a browser: ${firstLine(error)}`);
    }
  }

  /** Go on without the graphics card. It may be there and yet not do. */
  #fallBack() {
    if (this.kind === "wasm") return false;
    this.kind = "wasm";
    this.#loading = null;
    return true;
  }

  #ort() {
    this.#loading ??= this.#load().catch((error) => {
      this.#loading = null; // the line may be back when it is needed again
      throw error;
    });
    return this.#loading;
  }

  async #load() {
    this.kind ??= (await hasGraphicsCard()) ? "webgpu" : "wasm";
    const { script, binary } = this.#builds[this.kind];
    const ort = await import(new URL(script, import.meta.url));
    ort.env.logLevel = "fatal";
    ort.env.wasm.wasmBinary = await load(binary, "the runtime", this.#report);
    return ort;
  }
}

async function hasGraphicsCard() {
  try {
    const adapter = await navigator.gpu?.requestAdapter();
    return Boolean(adapter) && !adapter.info?.isFallbackAdapter;
  } catch {
    return false;
  }
}

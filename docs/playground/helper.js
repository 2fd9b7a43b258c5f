import { Sentence } from "./errors.js";

/** The page's end of the line to the worker: each task becomes a promise. */
export class Helper {
  #worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  #waiting = new Map();
  #number = 0;

  /** @param report is told how far things are */
  constructor(report) {
    this.#worker.addEventListener("message", ({ data }) => {
      if (data.progress) return report(data.progress);
      const { resolve, reject } = this.#waiting.get(data.number);
      this.#waiting.delete(data.number);
      if ("result" in data) return resolve(data.result);
      return reject(data.sentence ? new Sentence(data.sentence) : new Error(data.fault));
    });
    this.#worker.addEventListener("error", (event) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(event.message));
      this.#waiting.clear();
    });
  }

  /** Let the worker do a task, see worker.js. */
  ask(task, message) {
    return new Promise((resolve, reject) => {
      this.#waiting.set(++this.#number, { resolve, reject });
      this.#worker.postMessage({ number: this.#number, task, ...message });
    });
  }
}

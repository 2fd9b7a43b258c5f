import { firstLine, Sentence } from "./errors.js";

const REASONS = {
  NotAllowedError: "The camera was not allowed. The browser's address bar lets you change that.",
  NotFoundError: "No camera was found.",
  NotReadableError: "The camera is in use by another program.",
};

/** The dialog with the camera's picture. The camera is on while it is open, and not longer. */
export class Camera {
  #dialog;
  #video;
  #stream = null;
  #asking = false;

  /** @param taken is given the picture that was taken, a PNG file */
  constructor(dialog, taken) {
    this.#dialog = dialog;
    this.#video = dialog.querySelector("video");
    const [take, close] = ["#take", "#close"].map((id) => dialog.querySelector(id));
    this.#video.addEventListener("loadeddata", () => {
      take.disabled = false;
      take.focus();
    });
    take.addEventListener("click", async () => {
      const picture = await this.#picture();
      dialog.close();
      taken(picture);
    });
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      this.#stop();
      take.disabled = true;
    });
  }

  async open() {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Sentence(
        "This browser gives its camera only to pages from this machine or over https.",
      );
    }
    if (this.#asking) return; // a second click, while the browser asks whether it may
    this.#asking = true;
    try {
      const video = { facingMode: "user", width: { ideal: 1280 } };
      this.#stream = await navigator.mediaDevices.getUserMedia({ video });
    } catch (error) {
      throw new Sentence(REASONS[error.name] ?? `The camera did not start: ${firstLine(error)}`);
    } finally {
      this.#asking = false;
    }
    this.#video.srcObject = this.#stream;
    this.#dialog.showModal();
  }

  #picture() {
    const { videoWidth: width, videoHeight: height } = this.#video;
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    canvas.getContext("2d").drawImage(this.#video, 0, 0);
    return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  }

  #stop() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#video.srcObject = null;
  }
}

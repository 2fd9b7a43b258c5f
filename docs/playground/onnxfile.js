// What stands in an ONNX file beside the network: an ONNX file is a protobuf message, and of that
// format a page of code is enough to find a few fields. (onnx.proto gives their numbers; lesson 10)

import { Sentence } from "./errors.js";

const MODEL = { graph: 7, metadata: 14 };
const GRAPH = { node: 1 };
const NODE = { operator: 4 };
const ENTRY = { key: 1, value: 2 };

/** Read a file's metadata, and the name of the operator that the network ends with. */
export function describe(bytes, name) {
  const metadata = {};
  let lastOperator = null;
  try {
    for (const [number, content] of fields(bytes)) {
      if (number === MODEL.metadata) {
        const entry = Object.fromEntries(fields(content));
        metadata[text(entry[ENTRY.key])] = text(entry[ENTRY.value]);
      }
      if (number !== MODEL.graph) continue;
      for (const [part, node] of fields(content)) {
        if (part !== GRAPH.node) continue;
        lastOperator = text(Object.fromEntries(fields(node))[NODE.operator]);
      }
    }
  } catch {
    lastOperator = null;
  }
  if (!lastOperator) throw new Sentence(`${name} is not an ONNX file, or it is cut off.`);
  return { metadata, lastOperator };
}

/** Go through a message: numbers of fields, and their content where it is text or a message. */
function* fields(bytes) {
  let place = 0;
  const number = () => {
    // Seven bits a byte, the lowest first; the eighth says whether more follow.
    for (let value = 0, unit = 1; ; unit *= 128) {
      if (place >= bytes.length) throw new RangeError("the message ends too early");
      const byte = bytes[place++];
      value += (byte % 128) * unit;
      if (byte < 128) return value;
    }
  };
  while (place < bytes.length) {
    const tag = number();
    const [field, kind] = [Math.floor(tag / 8), tag % 8];
    if (kind === 0) number();
    else if (kind === 1) place += 8;
    else if (kind === 5) place += 4;
    else if (kind === 2) {
      const end = number() + place;
      if (end > bytes.length) throw new RangeError("the message ends too early");
      yield [field, bytes.subarray(place, end)];
      place = end;
    } else throw new RangeError("no message");
  }
}

const text = (bytes) => new TextDecoder().decode(bytes ?? new Uint8Array());

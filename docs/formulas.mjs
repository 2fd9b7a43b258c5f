// Replace the formulas in HTML pages by MathJax's drawings, with MathML beside them for screen readers.
//   node formulas.mjs PAGE...
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { mathjax } = require("mathjax-full/js/mathjax.js");
const { TeX } = require("mathjax-full/js/input/tex.js");
const { SVG } = require("mathjax-full/js/output/svg.js");
const { liteAdaptor } = require("mathjax-full/js/adaptors/liteAdaptor.js");
const { RegisterHTMLHandler } = require("mathjax-full/js/handlers/html.js");
const { AssistiveMmlHandler } = require("mathjax-full/js/a11y/assistive-mml.js");
const { AllPackages } = require("mathjax-full/js/input/tex/AllPackages.js");

const adaptor = liteAdaptor({ fontSize: 16 });
AssistiveMmlHandler(RegisterHTMLHandler(adaptor));

for (const path of process.argv.slice(2)) {
  const html = readFileSync(path, "utf8");
  const page = mathjax.document(html, {
    InputJax: new TeX({
      packages: AllPackages,
      inlineMath: [["\\(", "\\)"]],
      displayMath: [["\\[", "\\]"]],
      formatError: (_, error) => { throw new Error(`${path}: ${error.message}`); },
    }),
    OutputJax: new SVG({ fontCache: "global" }), // each glyph once a page
    ignoreHtmlClass: "document",
    processHtmlClass: "math",
  });
  page.render();
  // A formula that is wider than a phone scrolls, by the keyboard, too.
  for (const { display, typesetRoot } of page.math) {
    if (display) adaptor.setAttribute(typesetRoot, "tabindex", "0");
  }
  // Only the body is MathJax's: its own writing of the whole page would drop the doctype.
  writeFileSync(path, `<!DOCTYPE html>\n${adaptor.outerHTML(adaptor.root(page.document))}`);
}

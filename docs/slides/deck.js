// A slide is 1280 × 720. On a phone held upright it is narrow, and deck.css puts all below each other.
const upright = matchMedia("(max-width: 600px) and (max-aspect-ratio: 3 / 4)");
const printed = /print-pdf|view=print/.test(location.search);
const size = () => (upright.matches && !printed ? { width: 400, height: 720 } : { width: 1280, height: 720 });

if (printed) {
  for (const picture of document.images) picture.loading = "eager"; // all of them, before the paper
}

Reveal.initialize({
  ...size(),
  margin: 0,
  center: false,
  hash: true,
  transition: "none",
  viewDistance: 2,
  slideNumber: "c/t",
  controls: matchMedia("(pointer: coarse)").matches, // arrows to touch
  scrollActivationWidth: 0,
  pdfSeparateFragments: false,
  plugins: [RevealNotes],
});
upright.addEventListener("change", () => Reveal.configure(size()));

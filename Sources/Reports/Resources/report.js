"use strict";
// What needs a hand: smoothing, the number under the pointer, grids one by one. All figures are there without it.
const series = JSON.parse(document.getElementById("series").textContent);
const frame = { left: 64, right: 704, top: 12, bottom: 274 };

function share(value, [low, high, scale]) {
  const place = scale === "linear" ? (x) => x : Math.log10;
  return (place(value) - place(+low)) / (place(+high) - place(+low));
}

function smoothed(values, weight) {
  let mean = 0, total = 0;
  return values.map((value) => {
    mean = weight * mean + (1 - weight) * value;
    total = weight * total + (1 - weight);
    return mean / total;
  });
}

function slider(before, name, most, value, say) {
  const label = document.createElement("label"), input = document.createElement("input");
  const words = document.createElement("span");
  label.className = "slider";
  Object.assign(input, { type: "range", min: 0, max: most, step: 1, value });
  const change = () => {
    words.textContent = say(+input.value);
    input.setAttribute("aria-valuetext", words.textContent);
  };
  label.append(name, input, words);
  before.before(label);
  input.addEventListener("input", change);
  change();
}

for (const section of document.querySelectorAll(".figure")) {
  const lines = [...section.querySelectorAll("polyline[data-key]")];
  let weight = 0;
  if (section.dataset.smoothed === "true" && lines.length) {
    const weights = [0, 0.6, 0.9, 0.99];
    slider(section.querySelector("figure"), "smoothing", weights.length - 1, 2, (i) => {
      weight = weights[i];
      for (const line of lines) {
        const { steps, means } = series[line.dataset.key], svg = line.closest("svg");
        const x = svg.dataset.x.split(" "), y = svg.dataset.y.split(" ");
        line.setAttribute("points", smoothed(means, weight).map((value, n) =>
          (frame.left + share(steps[n], x) * (frame.right - frame.left)).toFixed(1) + ","
          + (frame.bottom - share(value, y) * (frame.bottom - frame.top)).toFixed(1)).join(" "));
      }
      return weight ? `${weight}` : "off";
    });
  }
  const key = section.querySelector("h3").id;
  const known = Object.entries(series).filter(([, line]) => line.figure === key);
  if (!known.length) continue;
  const output = document.createElement("output");
  section.querySelector("figcaption").before(output);
  for (const svg of section.querySelectorAll("svg")) {
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect(), x = svg.dataset.x.split(" ");
      const across = (event.clientX - box.left) / box.width * 720;
      const step = +x[0] + (across - frame.left) / (frame.right - frame.left) * (x[1] - x[0]);
      output.textContent = known.map(([id, { name, steps, means }]) => {
        const n = steps.reduce((best, at, i) => Math.abs(at - step) < Math.abs(steps[best] - step) ? i : best, 0);
        const isSmoothed = weight && lines.some((line) => line.dataset.key === id);
        const mean = isSmoothed ? ` (smoothed ${smoothed(means, weight)[n].toPrecision(4)})` : "";
        return `step ${steps[n]}: ${name} ${means[n]}${mean}`;
      }).join(" · ");
    });
  }
}

for (const grids of document.querySelectorAll(".grids")) {
  const figures = [...grids.children];
  if (figures.length < 2) continue;
  grids.classList.add("one");
  slider(grids, "grid", figures.length - 1, figures.length - 1, (i) => {
    figures.forEach((figure, n) => figure.classList.toggle("shown", n === i));
    return figures[i].querySelector("figcaption").textContent;
  });
}

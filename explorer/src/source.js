// The user's lines: how much each became, and a click to what it became.
import { el } from "./dom.js";

export class Source {
  constructor(app) {
    const { data } = app.model;
    this.buttons = new Map();
    const place = new Map(data.lines.map((line, k) => [`${line.file}:${line.line}`, k]));
    const most = Math.max(1, ...data.lines.map((line) => line.cells.length));
    const parts = [];
    let file = -1;
    for (const part of data.source) {
      if (part.file !== file) parts.push(el("h3", { title: data.files[part.file] }, app.model.shortFile(part.file)));
      else parts.push(el("div", { class: "gap", "aria-hidden": "true" }, "⋯"));
      file = part.file;
      const lines = part.text.map((text, k) => {
        const number = place.get(`${part.file}:${part.first + k}`);
        const row = [el("span", { class: "number" }, part.first + k), el("span", { class: "text" }, text || " ")];
        if (number === undefined) return el("li", { class: "plain" }, row);
        const { cells, kernels } = data.lines[number];
        const heat = el("span", { class: "heat", "aria-hidden": "true" });
        heat.style.width = `${Math.max(4, (36 * Math.log1p(cells.length)) / Math.log1p(most))}px`;
        const button = el(
          "button",
          {
            type: "button",
            class: "line",
            "aria-pressed": "false",
            "aria-label": `Line ${part.first + k}: ${text.trim()}. ${cells.length} nodes, ${kernels.length} kernels`,
            onclick: () => app.line(number),
          },
          row,
          heat,
        );
        this.buttons.set(number, button);
        return el("li", {}, button);
      });
      parts.push(el("ol", { class: "lines" }, lines));
    }
    if (!parts.length) parts.push(el("p", { class: "hint" }, "No line of a file is known for this graph."));
    this.element = el("section", { class: "source", "aria-label": "Your source" }, parts);
  }

  mark(number) {
    for (const [key, button] of this.buttons) button.setAttribute("aria-pressed", key === number);
    this.buttons.get(number)?.scrollIntoView({ block: "nearest" });
  }
}

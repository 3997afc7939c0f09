// The buffer plan: which temporary lives from which step to which, in which slot.
import { el, svg, put, bytes, plural } from "./dom.js";

const ROW = 26;
const LEFT = 92;

export class Memory {
  constructor(app) {
    this.app = app;
    const { memory, kernels } = app.model.data;
    const arrays = memory.slots.flatMap((s) => s.arrays);
    this.told = el("p", { class: "told", role: "status" }, "Choose an interval to see what it is.");
    this.element = el(
      "div",
      { class: "memory" },
      el("h2", {}, "Memory of temporaries, over the steps of the program"),
      memory.slots.length
        ? [
            el("p", { class: "hint" }, `${plural(arrays.length, "temporary").replace("temporarys", "temporaries")} share ${plural(memory.slots.length, "slot")}; an interval is alive from the step that writes it to the last that reads it.`),
            el("div", { class: "chart", tabindex: -1 }, this.chart(memory, kernels)),
            this.told,
            this.table(memory),
          ]
        : el("p", { class: "hint" }, "No temporaries: what is computed goes straight into the results."),
    );
  }

  chart(memory, kernels) {
    const step = Math.max(7, Math.min(40, 820 / Math.max(1, memory.steps)));
    const width = LEFT + memory.steps * step + 16;
    const height = memory.slots.length * ROW + 40;
    const every = Math.ceil(28 / step);
    const ticks = Array.from({ length: memory.steps }, (_, k) => k).filter((k) => k % every === 0);
    const x = (k) => LEFT + k * step;
    let tabbed = false;
    const bars = memory.slots.map((slot, row) =>
      slot.arrays.map((array, k) => {
        const first = !tabbed;
        tabbed = true;
        const tell = () => this.tell(array, slot, kernels);
        const w = Math.max(3, (array.last - array.first + 1) * step - 2);
        return svg(
          "g",
          {
            class: `interval tone${k % 4}`, role: "button", tabindex: first ? 0 : -1,
            "aria-label": `${array.name}, ${array.dtype}[${array.shape.join(", ")}], ${bytes(array.bytes)}, slot ${slot.slot}, steps ${array.first} to ${array.last}`,
            onclick: tell, onfocus: tell, onkeydown: (e) => this.key(e),
          },
          svg("rect", { x: x(array.first) + 1, y: 24 + row * ROW + 3, width: w, height: ROW - 6, rx: 4 }),
          w > array.name.length * 7 + 4 && svg("text", { x: x(array.first) + 6, y: 24 + row * ROW + 17 }, array.name),
        );
      }),
    );
    return (this.svg = svg(
      "svg",
      { width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Intervals of temporaries; arrow keys move between them" },
      ticks.map((k) => [svg("line", { x1: x(k), x2: x(k), y1: 20, y2: height - 16, class: "tick" }), svg("text", { x: x(k) + 2, y: 14, class: "axis" }, k)]),
      memory.slots.map((slot, row) => svg("text", { x: 4, y: 24 + row * ROW + 17, class: "axis" }, `slot ${slot.slot}`)),
      bars,
    ));
  }

  key(event) {
    const all = [...this.svg.querySelectorAll(".interval")];
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = all.indexOf(event.currentTarget);
    const next = all[Math.min(all.length - 1, Math.max(0, at + step))];
    all.forEach((b) => b.setAttribute("tabindex", b === next ? 0 : -1));
    next.focus();
  }

  tell(array, slot, kernels) {
    const { app } = this;
    const name = (k) => app.details.link(kernels[k]?.name ?? `step ${k}`, () => app.kernel(k, true));
    put(
      this.told,
      el("strong", {}, array.name),
      ` ${array.dtype}[${array.shape.join(", ")}] · ${bytes(array.bytes)} · slot ${slot.slot}, which takes ${bytes(slot.bytes)} · from `,
      name(array.first),
      " to ",
      name(array.last),
    );
  }

  table(memory) {
    const rows = memory.slots.flatMap((slot) =>
      slot.arrays.map((a) => el("tr", {}, el("td", {}, slot.slot), el("td", {}, a.name), el("td", {}, `${a.dtype}[${a.shape.join(", ")}]`), el("td", {}, bytes(a.bytes)), el("td", {}, `${a.first}–${a.last}`))),
    );
    const heads = ["slot", "array", "type", "bytes", "steps"].map((h) => el("th", { scope: "col" }, h));
    return el("details", {}, el("summary", {}, "As a table"), el("table", {}, el("thead", {}, el("tr", {}, heads)), el("tbody", {}, rows)));
  }
}

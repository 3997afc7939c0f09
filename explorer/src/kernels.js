// The program: every kernel and call in order; the loops beside the generated code.
import { el, put, bytes, seconds, tablist, mark } from "./dom.js";

export class Kernels {
  constructor(app) {
    this.app = app;
    this.kind = "asm";
    const { kernels } = app.model.data;
    const size = (k) => [k.bytes_read, k.bytes_written].reduce((a, b) => a + (typeof b === "number" ? b : 0), 0);
    const weight = kernels.some((k) => k.time !== undefined) ? (k) => k.time ?? 0 : size;
    const most = Math.max(1e-12, ...kernels.map(weight));
    this.rows = kernels.map((kernel, number) => {
      const bar = el("span", { class: "bar", "aria-hidden": "true" });
      bar.style.width = `${(100 * weight(kernel)) / most}%`;
      const told = kernel.time !== undefined ? seconds(kernel.time) : kernel.kind === "control" ? "" : bytes(kernel.bytes_written);
      const row = el(
        "button",
        { type: "button", class: `kernel ${kernel.kind}`, "aria-pressed": "false", "aria-label": `Step ${number}: ${kernel.name}, ${kernel.kind}`, onclick: () => app.kernel(number, true), onkeydown: (e) => this.key(e, number) },
        el("span", { class: "number" }, number),
        el("span", { class: "name" }, kernel.name),
        el("span", { class: "told" }, told),
        bar,
      );
      row.style.paddingLeft = `${8 + 14 * kernel.depth}px`;
      return row;
    });
    this.code = el("div", { class: "code" });
    this.element = el("div", { class: "kernels" }, el("div", { class: "list", role: "group", "aria-label": "Steps of the program, in order" }, this.rows), this.code);
  }

  key(event, number) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = this.rows[number + step];
    next?.focus();
    next?.click();
  }

  show(number) {
    this.rows.forEach((row, k) => row.setAttribute("aria-pressed", k === number));
    const kernel = this.app.model.data.kernels[number];
    if (!kernel) {
      put(this.code, el("p", { class: "hint" }, "Nothing runs: the results are arguments or constants."));
      return;
    }
    const { details } = this.app;
    put(
      this.code,
      el("header", {}, el("h2", {}, kernel.name), el("button", { type: "button", class: "action", onclick: () => this.app.markKernel(number) }, "Show in the graph")),
      el(
        "dl",
        { class: "across" },
        details.row("lines", details.lines(kernel.lines)),
        details.row("computes", details.cells([...kernel.stores, ...kernel.inlines].filter((c) => this.app.model.kind(c) !== "constant"))),
        details.row("arrays", kernel.reads.length || kernel.writes.length ? `${kernel.reads.join(", ")} → ${kernel.writes.join(", ")}` : ""),
        details.cost(kernel),
      ),
      el("div", { class: "beside" }, this.pane("Loop nest", kernel.loops), this.generated(kernel)),
    );
  }

  pane(title, text) {
    return el("section", { class: "pane", "aria-label": title }, el("h3", {}, title), el("pre", { tabindex: 0 }, text));
  }

  generated(kernel) {
    if (!kernel.llvm && !kernel.asm) {
      const why = { kernel: "Its code is left out of this page: there are many kernels. symgraph dump --stage asm shows it.", product: "A matrix product: a call of the product's own code.", call: "A call of a library function.", control: "It says when other steps run." }[kernel.kind];
      return this.pane("Generated code", why);
    }
    const text = el("pre", { tabindex: 0 }, kernel[this.kind]);
    const tabs = tablist("Generated code", [["asm", "Assembly"], ["llvm", "LLVM IR"]], this.kind, (kind) => {
      this.kind = kind;
      mark(tabs, kind);
      text.textContent = kernel[kind];
    });
    return el("section", { class: "pane", "aria-label": "Generated code" }, tabs, text);
  }
}


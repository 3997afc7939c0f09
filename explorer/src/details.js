// The panel that tells all about what is chosen: a node, a group, a line, a step.
import { el, bytes, count, plural, seconds } from "./dom.js";

const MANY = 40;

export class Details {
  constructor(app) {
    this.app = app;
    this.element = el("section", { class: "details", "aria-label": "Details", tabindex: -1 });
  }

  show(...content) {
    this.element.replaceChildren(...content.flat(2).filter(Boolean));
    this.element.scrollTop = 0;
  }

  // -- pieces ------------------------------------------------------------------------

  row(term, ...value) {
    const flat = value.flat().filter((v) => v !== null && v !== undefined && v !== false && v !== "");
    return flat.length ? [el("dt", {}, term), el("dd", {}, flat)] : [];
  }

  link(text, action, label) {
    return el("button", { type: "button", class: "link", onclick: action, "aria-label": label }, text);
  }

  cells(cells) {
    const { app } = this;
    const links = cells.slice(0, MANY).map((c) => this.link(app.model.title(c), () => app.go(c), `Go to ${app.model.title(c)}, ${app.model.type(c)}`));
    return [...links, cells.length > MANY ? ` and ${cells.length - MANY} more` : ""];
  }

  lines(lines) {
    const { app } = this;
    return lines.map((n) => this.link(app.model.lineTitle(n), () => app.line(n), `Line ${app.model.lineTitle(n)}: ${app.model.data.lines[n].text}`));
  }

  steps(steps) {
    const { model } = this.app;
    const links = steps.slice(0, MANY).map((n) => this.link(`${model.rule(model.steps[n])}`, () => this.app.seek(n + 1, true), `Go to step ${n}, ${model.rule(model.steps[n])}`));
    return [...links, steps.length > MANY ? ` and ${steps.length - MANY} more` : ""];
  }

  kernels(kernels) {
    const { data } = this.app.model;
    return kernels.slice(0, MANY).map((n) => this.link(data.kernels[n].name, () => this.app.kernel(n, true), `Show the code of ${data.kernels[n].name}`));
  }

  cost(kernel) {
    return [
      this.row("reads", this.amount(kernel.bytes_read)),
      this.row("writes", this.amount(kernel.bytes_written)),
      this.row("work", kernel.work !== undefined && count(kernel.work)),
      this.row("flops", kernel.flops ? count(kernel.flops) : ""),
      this.row("time", kernel.time !== undefined && seconds(kernel.time)),
    ];
  }

  // -- what is told ------------------------------------------------------------------

  cell(cell) {
    const { model } = this.app;
    const { data } = model;
    const place = model.number.get(cell);
    const [steps, kernels, lines] = place === undefined ? [[], [], []] : data.origins[place];
    const alive = model.reads.has(cell);
    const reads = model.reads.get(cell) ?? [];
    const readers = [...model.reads].filter(([, r]) => r.includes(cell)).map(([c]) => c);
    const value = data.values?.[cell];
    const own = model.line(cell) >= 0 ? [model.line(cell)] : [];
    this.show(
      el("p", { class: "kind" }, alive ? model.kind(cell) : `${model.kind(cell)}, not there at this moment`),
      el("h2", {}, model.op(cell)[1]),
      el(
        "dl",
        {},
        this.row("type", el("code", {}, model.type(cell))),
        this.row("name", data.names[cell]),
        this.row("value", data.constants[cell]),
        this.row("number", place !== undefined && `%${place}`),
        this.row("written in", model.fn(cell) >= 0 && data.functions[model.fn(cell)]),
        this.row("inside", model.scope(cell) >= 0 && this.cells([model.scope(cell)])),
        this.row("lines", this.lines(lines.length ? lines : own)),
        this.row("reads", this.cells(reads)),
        this.row("read by", this.cells(readers)),
        this.row("made by", this.steps(steps)),
        this.row("kernels", this.kernels(kernels)),
        value && this.value(value),
      ),
      kernels.slice(0, 1).map((n) => this.code(n)),
    );
    if (!alive) this.element.append(this.link("Go to where it was last", () => this.app.go(cell)));
  }

  value(value) {
    const parts = ["min", "mean", "max"].filter((k) => value[k] !== undefined).map((k) => `${k} ${short(value[k])}`);
    if (value.nan) parts.push(`${value.nan} NaN`);
    if (value.inf) parts.push(`${value.inf} infinite`);
    return this.row("values", parts.join(", "));
  }

  code(number) {
    const kernel = this.app.model.data.kernels[number];
    return el(
      "details",
      { open: true },
      el("summary", {}, `Loops of ${kernel.name}`),
      el("pre", { tabindex: 0 }, kernel.loops),
      el("dl", {}, this.cost(kernel)),
      this.link("Show the generated code", () => this.app.kernel(number, true)),
    );
  }

  group(group, cells) {
    const { model } = this.app;
    const ops = new Map();
    for (const cell of cells) ops.set(model.kind(cell), (ops.get(model.kind(cell)) ?? 0) + 1);
    const ranked = [...ops].sort((a, b) => b[1] - a[1]);
    const opened = this.app.graph.clusters.opened.has(group.key);
    this.show(
      el("p", { class: "kind" }, group.kind),
      el("h2", {}, group.title),
      el("button", { type: "button", class: "action", onclick: () => this.app.graph.toggle(group.key, !opened) }, opened ? "Close" : "Open"),
      el("dl", {}, this.row("nodes", count(group.size)), this.row("holds", ranked.slice(0, 12).map(([k, n]) => el("span", { class: "chip" }, `${n} ${k}`)))),
    );
  }

  line(number) {
    const line = this.app.model.data.lines[number];
    const { model } = this.app;
    const alive = line.cells.filter((c) => model.reads.has(c));
    const times = line.kernels.map((k) => model.data.kernels[k].time).filter((t) => t !== undefined);
    this.show(
      el("p", { class: "kind" }, model.lineTitle(number)),
      el("h2", { class: "source-line" }, line.text || "(source not found)"),
      el(
        "dl",
        {},
        this.row("nodes", this.cells(alive.length ? alive : line.cells)),
        this.row("rewritten by", this.steps(line.steps)),
        this.row("kernels", this.kernels(line.kernels)),
        line.kernels.length ? this.row("its kernels read", this.amount(line.bytes_read)) : [],
        line.kernels.length ? this.row("and write", this.amount(line.bytes_written)) : [],
        times.length ? this.row("in", seconds(times.reduce((a, b) => a + b))) : [],
      ),
      line.kernels.slice(0, 1).map((n) => this.code(n)),
    );
  }

  step(time) {
    const { model } = this.app;
    const step = model.steps[time - 1];
    if (!step) return;
    const told = step.rule >= 0 ? model.data.rules[step.rule] : null;
    const where = Object.entries(step.where ?? {});
    this.show(
      el("p", { class: "kind" }, time === 1 ? "the graph as it was written" : `step ${time - 1} of ${model.steps.length - 1} · ${step.phase}`),
      el("h2", {}, model.rule(step)),
      told && el("p", { class: "doc" }, told[2]),
      step.doc && el("p", { class: "doc" }, step.doc),
      time > 1 && this.formulas(step),
      where.length > 0 && el("p", { class: "where" }, "where ", where.map(([k, v], n) => [n ? ", " : "", el("code", {}, `${k} = ${v}`)])),
      time > 1 &&
        el(
          "dl",
          {},
          this.row("keeps", told && { exact: "every bit", rounding: "the value, but for rounding", special_values: "the value where it is finite" }[told[1]]),
          this.row("lines", this.lines(step.lines ?? [])),
          this.row("added", this.cells(step.added)),
          this.row("removed", this.cells(step.removed)),
        ),
      time === 1 && this.summary(),
    );
  }

  /** What is told where nothing is chosen. */
  overview(stage) {
    const { data, reads } = this.app.model;
    const last = !data.stages.some((s) => s.name === stage);
    this.show(el("p", { class: "kind" }, last ? "as it is compiled" : stage === "input" ? "as it was written" : `as the pass "${stage}" leaves it: ${plural(reads.size, "node")}`), el("h2", {}, data.name), this.summary());
  }

  /** An amount; a long formula is folded. */
  amount(value) {
    const text = bytes(value);
    if (text.length < 70) return text;
    return el("details", { class: "fold" }, el("summary", {}, `${text.slice(0, 40)} …`), el("code", {}, text));
  }

  formulas(step) {
    if (!step.before && !step.after) return null;
    return el(
      "div",
      { class: "formulas" },
      el("div", { class: "before" }, el("span", { class: "sign" }, "−"), el("span", { class: "hidden" }, "before: "), el("code", {}, step.before || "…")),
      el("div", { class: "after" }, el("span", { class: "sign" }, "+"), el("span", { class: "hidden" }, "after: "), el("code", {}, step.after || "…")),
    );
  }

  summary() {
    const { model } = this.app;
    const { data } = model;
    const first = data.steps[0].added.length;
    const work = data.kernels.filter((k) => k.kind !== "control");
    return [
      el(
        "dl",
        {},
        this.row("as written", plural(first, "node")),
        this.row("compiled", plural(data.nodes.length, "node")),
        this.row("rewriting", plural(data.steps.length - 1, "step")),
        this.row("runs as", `${count(work.length)} kernels and calls`),
        this.row("reads", this.amount(data.total.bytes_read)),
        this.row("writes", this.amount(data.total.bytes_written)),
        this.row("temporaries", this.amount(data.total.arena)),
        data.where.length ? this.row("where", data.where.map((w) => el("code", { class: "block" }, w))) : [],
      ),
      el("p", { class: "hint" }, "Choose a node, a line of the source or a step. / searches, [ and ] go through the steps, arrow keys move between nodes."),
    ];
  }
}

function short(value) {
  return typeof value === "number" ? Number(value.toPrecision(5)) : value;
}

// The explorer: one graph, its history, its kernels and its memory.
import { el, tablist, mark, plural } from "./dom.js";
import { Model } from "./model.js";
import { GraphView } from "./graph.js";
import { Details } from "./details.js";
import { Source } from "./source.js";
import { Kernels } from "./kernels.js";
import { Memory } from "./memory.js";
import { PipelineView } from "./pipeline.js";
import { Search } from "./search.js";

/** The last of the stages, whatever its pass is called. */
const COMPILED = " compiled";

export class App {
  /** `host` is there in a notebook: it runs the pipeline again. */
  constructor(root, data, host) {
    this.host = host;
    this.root = root;
    this.load(data);
    // In a page of its own keys work wherever the focus is, in a notebook inside only.
    if (!host) document.addEventListener("keydown", (e) => this.key(e, e.composedPath()[0]));
  }

  load(data, keep = {}) {
    this.graph?.close();
    this.model = new Model(data);
    this.state = { selected: undefined, group: undefined, marked: undefined, view: keep.view ?? "graph" };
    this.details = new Details(this);
    this.graph = new GraphView(this);
    if (keep.grouping) this.graph.clusters.grouping = keep.grouping;
    this.source = new Source(this);
    this.kernels = new Kernels(this);
    this.memory = new Memory(this);
    this.pipeline = new PipelineView(this);
    this.search = new Search(this);
    this.build();
    this.show(this.state.view);
    this.kernels.show(data.kernels.findIndex((k) => k.kind !== "control"));
    this.seekStage(COMPILED);
  }

  build() {
    const { data } = this.model;
    this.live = el("div", { class: "hidden", role: "status", "aria-live": "polite" });
    this.views = { graph: this.graphPane(), kernels: this.kernels.element, memory: this.memory.element, pipeline: this.pipeline.element };
    const names = { graph: "Graph", kernels: "Kernels", memory: "Memory", pipeline: "Pipeline" };
    this.tabs = tablist("Views", Object.entries(names), this.state.view, (key) => this.show(key));
    this.tabs.classList.add("views");
    const panes = Object.entries(this.views).map(([key, pane]) => el("div", { class: `view ${key}-view`, role: "tabpanel", "aria-label": names[key], "data-key": key }, pane));
    this.panes = panes;
    this.element = el(
      "div",
      { class: "explorer", onkeydown: (e) => this.host && this.key(e, e.target) },
      el("header", { class: "top" }, el("h1", {}, el("span", { class: "brand" }, "symgraph"), data.name), this.tabs, this.search.element, this.themeButton()),
      this.source.element,
      el("main", {}, panes),
      this.details.element,
      this.live,
    );
    this.root.replaceChildren(this.element);
  }

  themeButton() {
    return el("button", { type: "button", class: "round theme", "aria-label": "Light or dark", title: "Light or dark", onclick: () => {
      const dark = this.element.dataset.theme ? this.element.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      this.element.dataset.theme = dark ? "light" : "dark";
      this.theme = this.element.dataset.theme;
    } }, "◐");
  }

  graphPane() {
    const { stages, steps } = this.model.data;
    let last = 1;
    const items = stages.map(({ name, steps: n }) => {
      const made = n - last;
      last = n;
      return [name, name === "input" ? "as written" : name, el("span", { class: "made" }, made > 0 ? ` ${made}` : ""), made];
    });
    const shown = items.filter(([name, , , made]) => name === "input" || made > 0).map((item) => item.slice(0, 3));
    shown.push([COMPILED, "compiled"]);
    this.stages = tablist("Stages of rewriting", shown, undefined, (name) => this.seekStage(name));
    this.slider = el("input", {
      type: "range", min: 1, max: steps.length, step: 1, value: steps.length, class: "slider", "aria-label": "Step of the rewriting",
      oninput: () => this.seek(Number(this.slider.value)),
    });
    const move = (by) => () => this.seek(this.model.time + by, false);
    const arrow = (text, label, by) => el("button", { type: "button", class: "round", "aria-label": label, title: label, onclick: move(by) }, text);
    this.caption = el("p", { class: "caption" });
    const grouping = el("select", { "aria-label": "Group nodes by", onchange: () => {
      this.graph.clusters.grouping = grouping.value;
      this.graph.clusters.open.clear();
      this.graph.draw({ fit: true });
    } }, [["none", "loops only"], ["function", "by function"], ["line", "by line"], ["kernel", "by kernel"]].map(([value, text]) => el("option", { value, selected: value === this.graph.clusters.grouping }, text)));
    this.constants = el("input", { type: "checkbox", onchange: () => {
      this.graph.clusters.constants = this.constants.checked;
      this.graph.draw({});
    } });
    return el(
      "div",
      { class: "graph-pane" },
      el("div", { class: "bar" }, this.stages, el("label", { class: "pick" }, "group ", grouping), el("label", { class: "pick" }, this.constants, " constants")),
      this.graph.element,
      el("div", { class: "trace", role: "group", "aria-label": "Rewriting, step by step" }, arrow("‹", "Previous step", -1), this.slider, arrow("›", "Next step", 1), this.caption),
    );
  }

  // -- what is shown -----------------------------------------------------------------

  show(key) {
    this.state.view = key;
    mark(this.tabs, key);
    for (const pane of this.panes) pane.hidden = pane.dataset.key !== key;
    this.element.dataset.view = key;
  }

  seekStage(name) {
    const stage = this.model.data.stages.find((s) => s.name === name);
    this.seek(stage?.steps ?? this.model.steps.length, false, name);
  }

  /** Go to a moment of the rewriting; the panel tells of the step that led there. */
  seek(time, show = false, stage) {
    time = Math.max(1, Math.min(this.model.steps.length, time));
    const changed = time !== this.model.time;
    this.model.seek(time);
    this.slider.value = time;
    const step = this.model.steps[time - 1];
    const { data } = this.model;
    const name = stage ?? data.stages.find((s) => s.steps === time)?.name;
    this.graph.clusters.stepping = !stage && time > 1;
    mark(this.stages, name);
    const chosen = [...this.stages.children].find((tab) => tab.dataset.key === name);
    if (chosen)
      requestAnimationFrame(() => {
        const [left, room] = [chosen.offsetLeft - this.stages.offsetLeft, this.stages.clientWidth];
        this.stages.scrollLeft = Math.max(0, left + chosen.offsetWidth + 40 - room);
      });
    else this.stages.children[0].tabIndex = 0;
    const told = time === 1 ? "the graph as written" : `${time - 1}/${data.steps.length - 1} · ${step.phase} · ${this.model.rule(step)}`;
    this.slider.setAttribute("aria-valuetext", told);
    const formulas = step.after && time > 1 && !stage;
    const reached = stage && time > 1 ? `${stage === COMPILED ? "compiled" : `after ${stage}`}: ${plural(this.model.reads.size, "node")}` : told;
    this.caption.replaceChildren(el("b", {}, reached), formulas ? el("code", {}, `${step.before || "…"}  →  ${step.after}`) : "");
    if (show) this.show("graph");
    if (changed || show || stage) {
      this.state.marked = undefined;
      this.source.mark(undefined);
      if (!stage) this.details.step(time);
      else this.details.overview(stage);
    }
    if (changed) this.graph.clusters.reveal = undefined;
    const follow = time > 1 && (changed || show) && !stage;
    return this.graph.draw({ follow });
  }

  select(cell) {
    this.state.selected = cell;
    this.state.group = undefined;
    this.details.cell(cell);
    this.graph.paint();
    this.say(`${this.model.title(cell)} chosen`);
  }

  selectGroup(group) {
    this.state.selected = undefined;
    this.state.group = group.key;
    const inside = [];
    const stack = [group];
    while (stack.length) for (const child of stack.pop().children) (typeof child === "number" ? inside : stack).push(child);
    this.details.group(group, inside);
    this.graph.paint();
  }

  /** Show a cell, at a moment when it is there. */
  async go(cell) {
    this.show("graph");
    if (!this.model.reads.has(cell)) await this.seek(this.model.timeOf(cell));
    this.state.marked = undefined;
    this.select(cell);
    this.constants.checked ||= this.graph.clusters.hidden(cell);
    await this.graph.reveal(cell);
  }

  line(number) {
    const { cells } = this.model.data.lines[number];
    this.source.mark(number);
    this.state.selected = this.state.group = undefined;
    this.details.line(number);
    this.markCells(cells);
    this.say(`Line ${this.model.lineTitle(number)}: ${cells.length} nodes`);
  }

  markCells(cells) {
    this.state.marked = new Set(cells);
    const there = cells.find((c) => this.model.reads.has(c) && !this.graph.clusters.hidden(c));
    if (there !== undefined) {
      this.graph.clusters.reveal = there;
      this.graph.draw({ focus: there });
    } else this.graph.paint();
  }

  kernel(number, show = false) {
    this.kernels.show(number);
    if (show) this.show("kernels");
  }

  markKernel(number) {
    const kernel = this.model.data.kernels[number];
    this.show("graph");
    const end = this.model.steps.length;
    const mark = () => this.markCells([...kernel.stores, ...kernel.inlines]);
    if (this.model.time === end) mark();
    else this.seek(end).then(mark);
    this.say(`${kernel.name} marked in the graph`);
  }

  toggle(name, on) {
    const off = new Set(this.model.data.off);
    if (on) off.delete(name);
    else off.add(name);
    this.element.setAttribute("aria-busy", "true");
    this.say(`Running the pipeline again ${on ? "with" : "without"} ${name}`);
    this.host.exclude([...off].sort());
  }

  /** Other data, from the notebook's kernel: stay where we are. */
  update(data) {
    const keep = { view: this.state.view, grouping: this.graph.clusters.grouping };
    this.load(data, keep);
    if (this.theme) this.element.dataset.theme = this.theme;
    this.say("The pipeline has been run again");
  }

  say(text) {
    this.live.textContent = text;
  }

  fail(text) {
    this.element.removeAttribute("aria-busy");
    this.details.show(el("p", { class: "kind" }, "error"), el("pre", { class: "error" }, text));
    this.say(text);
  }

  key(event, target) {
    const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(target.tagName);
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (this.host) event.stopPropagation(); // the notebook has shortcuts of its own
    if (event.key === "Escape" && this.state.marked) {
      this.state.marked = undefined;
      this.source.mark(undefined);
      this.graph.paint();
    } else if (typing) return;
    else if (event.key === "/") this.search.input.focus();
    else if (event.key === "[") this.seek(this.model.time - 1);
    else if (event.key === "]") this.seek(this.model.time + 1);
    else return;
    event.preventDefault();
  }
}

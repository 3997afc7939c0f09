// Search through nodes, lines, kernels and rules.
import { el, put } from "./dom.js";

const MOST = 40;

export class Search {
  constructor(app) {
    this.app = app;
    this.list = el("ul", { class: "found", role: "listbox", id: "found", "aria-label": "Found", hidden: true });
    this.input = el("input", {
      type: "search", class: "search", placeholder: "Search", "aria-label": "Search nodes, lines, kernels and rules",
      role: "combobox", "aria-expanded": "false", "aria-controls": "found", "aria-autocomplete": "list", autocomplete: "off", spellcheck: "false",
      oninput: () => this.find(), onkeydown: (e) => this.key(e), onfocus: () => this.find(),
      onblur: () => setTimeout(() => this.close(), 150),
    });
    this.element = el("div", { class: "searchbox" }, this.input, this.list);
    this.all = this.entries();
  }

  entries() {
    const { app } = this;
    const { data } = app.model;
    const found = data.cells.map((_, cell) => {
      const title = app.model.title(cell);
      return { kind: "node", title, more: app.model.type(cell), text: `${title} ${app.model.kind(cell)} ${app.model.type(cell)}`.toLowerCase(), go: () => app.go(cell) };
    });
    const lines = data.lines.map((line, k) => ({ kind: "line", title: line.text, more: app.model.lineTitle(k), text: `${line.text} ${app.model.lineTitle(k)}`.toLowerCase(), go: () => app.line(k) }));
    const kernels = data.kernels.map((kernel, k) => ({ kind: "kernel", title: kernel.name, more: kernel.kind, text: kernel.name.toLowerCase(), go: () => app.kernel(k, true) }));
    const steps = data.steps.slice(1).map((step, k) => ({ kind: "step", title: app.model.rule(step), more: `step ${k + 1}, ${step.phase}`, text: `${app.model.rule(step)} ${step.phase}`.toLowerCase(), go: () => app.seek(k + 2, true) }));
    return [...lines, ...kernels, ...steps, ...found];
  }

  find() {
    const words = this.input.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return this.close();
    const hits = [];
    const rank = (e) => (e.text.startsWith(words[0]) ? 0 : 1);
    const perKind = {};
    for (const entry of this.all) {
      if (!words.every((w) => entry.text.includes(w))) continue;
      perKind[entry.kind] = (perKind[entry.kind] ?? 0) + 1;
      if (perKind[entry.kind] <= MOST / 2) hits.push(entry);
    }
    hits.sort((a, b) => rank(a) - rank(b));
    this.hits = hits.slice(0, MOST);
    this.at = -1;
    put(
      this.list,
      this.hits.length
        ? this.hits.map((hit, k) =>
            el("li", { role: "option", id: `found-${k}`, "aria-selected": "false", onpointerdown: (e) => e.preventDefault(), onclick: () => this.take(k) }, el("span", { class: `tag ${hit.kind}` }, hit.kind), el("span", { class: "title" }, hit.title), el("span", { class: "more" }, hit.more)),
          )
        : el("li", { class: "none", role: "option", "aria-disabled": "true", "aria-selected": "false" }, "Nothing found"),
    );
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
  }

  key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") {
      if (this.list.hidden) this.input.value = "";
      this.close();
    } else if (event.key === "Enter" && this.hits?.length) this.take(Math.max(0, this.at));
    else if (step && this.hits?.length) {
      this.at = (this.at + step + this.hits.length) % this.hits.length;
      [...this.list.children].forEach((li, k) => li.setAttribute("aria-selected", k === this.at));
      this.list.children[this.at].scrollIntoView({ block: "nearest" });
      this.input.setAttribute("aria-activedescendant", `found-${this.at}`);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  take(k) {
    this.close();
    this.hits[k].go();
  }

  close() {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }
}

// The passes and rules, how often each was applied; switches where a kernel listens.
import { el, plural } from "./dom.js";

export class PipelineView {
  constructor(app) {
    const { data } = app.model;
    const off = new Set(data.off);
    const uses = new Map();
    for (const step of data.steps.slice(1)) {
      const key = `${step.phase}/${step.rule}`;
      uses.set(key, (uses.get(key) ?? 0) + 1);
    }
    const steps = data.steps;
    const first = (phase, rule) => steps.findIndex((s, k) => k > 0 && s.phase === phase && s.rule === rule);
    const toggle = (name, label) =>
      app.host
        ? el("input", { type: "checkbox", checked: !off.has(name), "aria-label": `${label} ${name}`, onchange: (e) => app.toggle(name, e.target.checked) })
        : el("span", { class: off.has(name) ? "off" : "on", "aria-hidden": "true" }, off.has(name) ? "○" : "●");
    const row = (name, doc, n, keeps, seek, label) =>
      el(
        "li",
        { class: [n ? "used" : "unused", off.has(name) ? "switched-off" : ""].join(" ") },
        el("label", {}, toggle(name, label), el("span", { class: "name" }, name)),
        n ? app.details.link(`${n}×`, seek, `Go to the first of ${n} applications of ${name}`) : el("span", { class: "never" }, off.has(name) ? "off" : "–"),
        keeps && el("span", { class: `keeps ${keeps}` }, keeps.replace("_", " ")),
        el("span", { class: "doc" }, doc),
      );
    const passes = data.pipeline.map((pass) => {
      const rules = pass.rules
        .map((r) => ({ r, n: uses.get(`${pass.pass}/${r}`) ?? 0 }))
        .filter(({ r, n }) => n || off.has(data.rules[r][0]) || app.host);
      const rank = ({ r, n }) => n || (off.has(data.rules[r][0]) ? 0.5 : 0);
      rules.sort((a, b) => rank(b) - rank(a));
      const total = rules.reduce((sum, { n }) => sum + n, 0) + (uses.get(`${pass.pass}/-1`) ?? 0);
      const seek = () => app.seek(steps.findIndex((s, k) => k > 0 && s.phase === pass.pass) + 1, true);
      const list = rules.map(({ r, n }) => row(data.rules[r][0], data.rules[r][2], n, data.rules[r][1], () => app.seek(first(pass.pass, r) + 1, true), "Rule"));
      const used = rules.filter(({ n, r }) => n || off.has(data.rules[r][0])).length;
      return el(
        "section",
        { class: "pass" },
        el("ul", {}, row(pass.pass, pass.doc, total, "", seek, "Pass")),
        used > 0 && el("ul", { class: "rules" }, list.slice(0, used)),
        list.length > used && el("details", {}, el("summary", {}, plural(list.length - used, "rule") + " that did not fire"), el("ul", { class: "rules" }, list.slice(used))),
      );
    });
    this.element = el(
      "div",
      { class: "pipeline" },
      el("h2", {}, "The pipeline"),
      el("p", { class: "hint" }, app.host ? "Switch a pass or a rule off: the graph, the kernels and the cost are made again." : "How often each rule was applied, pass by pass. In a notebook, explore() has switches here."),
      passes,
    );
  }
}

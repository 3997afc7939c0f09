// The picture of the graph: drawn as SVG, moved by pointer, wheel and keys.
import { svg, el, put, plural } from "./dom.js";
import { Clusters, LIMIT } from "./clusters.js";
import { Layouter } from "./layouter.js";

const CHARACTER = 7.2;

export class GraphView {
  constructor(app) {
    this.app = app;
    this.model = app.model;
    this.clusters = new Clusters(app.model);
    this.layouter = new Layouter();
    this.view = { x: 0, y: 0, scale: 1 };
    this.places = new Map();
    this.scene = svg("g", { class: "scene" });
    this.svg = svg(
      "svg",
      { class: "graph", role: "group", "aria-label": "Graph. Arrow keys move between nodes.", onpointerdown: (e) => this.grab(e), onkeydown: (e) => this.key(e) },
      svg("defs", {}, this.arrowhead("tip"), this.arrowhead("tip-gone")),
      this.scene,
    );
    this.svg.addEventListener("wheel", (e) => this.wheel(e), { passive: false });
    this.svg.addEventListener("dblclick", (e) => e.preventDefault());
    this.pointers = new Map();
    const button = (text, label, action) =>
      el("button", { type: "button", class: "round", "aria-label": label, title: label, onclick: action }, text);
    this.element = el(
      "div",
      { class: "canvas" },
      this.svg,
      el(
        "div",
        { class: "zoom", role: "group", "aria-label": "Zoom" },
        button("+", "Zoom in", () => this.zoom(1.25)),
        button("−", "Zoom out", () => this.zoom(0.8)),
        button("⤢", "Fit the graph", () => this.fit()),
      ),
      (this.note = el("p", { class: "note", hidden: true })),
    );
    this.resizer = new ResizeObserver(() => this.resized());
    this.resizer.observe(this.element);
  }

  arrowhead(id) {
    return svg(
      "marker",
      { id, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse", orient: "auto" },
      svg("path", { d: "M0 0.5 L7.5 4 L0 7.5 z", class: id }),
    );
  }

  close() {
    this.resizer.disconnect();
    this.layouter.close();
  }

  /** Lay out and draw what is visible now; then bring `focus` into sight. */
  async draw({ fit = false, focus, follow = false, keyboard = false } = {}) {
    const shown = this.clusters.visible();
    if (shown.boxes.length > LIMIT) {
      this.say(`${plural(shown.boxes.length, "box")}es are more than can be read: close a group first.`);
      return;
    }
    const work = this.measured(shown);
    this.svg.setAttribute("aria-busy", "true");
    const placed = await this.layouter.run(work);
    if (!placed) return;
    this.shown = shown;
    this.placed = placed;
    this.show();
    this.svg.removeAttribute("aria-busy");
    if (!this.fitted || fit) this.fit();
    if (focus !== undefined) this.center(this.clusters.boxOf(focus), keyboard);
    if (follow) this.follow();
    this.app.drawn?.(shown);
  }

  measured({ boxes, arrows, frames }) {
    const filled = new Set();
    for (const box of boxes) {
      const [title, below] = this.words(box);
      const longest = Math.max(title.length * CHARACTER * 1.06, below.length * CHARACTER * 0.88);
      Object.assign(box, { title, below, width: Math.min(Math.max(longest + 26, 64), 236), height: below ? 42 : 28 });
      for (let at = box.parent && this.clusters.found.get(box.parent); at?.key; at = at.parent) filled.add(at.key);
    }
    this.frames = frames.filter((f) => filled.has(f.key));
    return {
      boxes: boxes.map(({ id, width, height, parent }) => ({ id, width, height, parent })),
      frames: this.frames.map((f) => ({ id: f.key, parent: f.parent.key || undefined })),
      arrows: arrows.map(({ from, to }) => [from, to]),
    };
  }

  words(box) {
    if (box.group) {
      const { title, size, kind } = box.group;
      return [`▸ ${short(title, 30)}`, kind === "loop" ? `loop, ${plural(size, "node")}` : plural(size, "node")];
    }
    const { cell } = box;
    const leaf = !box.cells.length || ["input", "shared", "constant", "parameter"].includes(this.model.kind(cell));
    // Where a constant stands before what an arrow brings, the places are shown.
    const first = box.order.includes("·") && box.order[0] !== "·";
    const constants = first ? `(${box.order.join(", ")})` : `· ${box.constants.join(", ")}`;
    const given = box.constants.length && !leaf ? ` ${constants}` : "";
    return [short(this.model.title(cell) + given, 32), short(this.model.type(cell), 36)];
  }

  show() {
    const { boxes, frames, arrows } = this.placed;
    const at = new Map(boxes.map((b) => [b.id, b]));
    this.places = at;
    const groups = new Map(this.frames.map((f) => [f.key, f]));
    const outputs = new Set(this.model.results.get(-1) ?? []);
    const drawn = [...frames].sort((a, b) => groups.get(a.id).depth - groups.get(b.id).depth);
    put(
      this.scene,
      svg("g", { class: "frames" }, drawn.map((f) => this.frame(groups.get(f.id), f))),
      svg("g", { class: "arrows", "aria-hidden": "true" }, this.shown.arrows.map((a, k) => this.arrow(a, arrows[k]))),
      (this.nodes = svg("g", { class: "nodes" }, this.shown.boxes.map((b) => this.box(b, at.get(b.id), outputs)))),
    );
    this.paint();
    this.rove();
  }

  frame(group, place) {
    const { x, y, width, height } = place;
    const [left, top] = [x - width / 2, y - height / 2];
    return svg(
      "g",
      { class: `frame ${group.kind}` },
      svg("rect", { x: left, y: top, width, height, rx: 10 }),
      svg(
        "g",
        {
          class: "fold", role: "button", tabindex: 0, "aria-expanded": "true",
          "aria-label": `Close ${group.kind} ${group.title}, ${plural(group.size, "node")}`,
          onclick: () => this.toggle(group.key, false),
          onkeydown: (e) => press(e, () => this.toggle(group.key, false)),
        },
        svg("rect", { x: left, y: top, width: Math.min(width, 24 + group.title.length * CHARACTER), height: 18, class: "hit" }),
        svg("text", { x: left + 8, y: top + 13 }, `▾ ${short(group.title, Math.max(6, Math.floor(width / CHARACTER) - 4))}`),
      ),
    );
  }

  arrow({ kind, count }, points) {
    const path = points.map(([x, y], k) => `${k ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`);
    const smooth = points.length > 2 ? curve(points) : path.join(" ");
    return svg("path", { d: smooth, class: `arrow ${kind}`, "stroke-width": 1 + Math.min(2, Math.log10(count)), "marker-end": `url(#${kind === "gone" ? "tip-gone" : "tip"})` });
  }

  box(box, place, outputs) {
    const { cell, group } = box;
    const kind = group ? `group ${group.kind}` : this.model.kind(cell);
    const result = box.cells.some((c) => outputs.has(c)) ? " result" : "";
    const [w, h] = [place.width, place.height];
    const node = svg(
      "g",
      {
        class: `node ${kind}${result}`, "data-id": box.id, role: "button", tabindex: -1,
        transform: `translate(${(place.x - w / 2).toFixed(1)} ${(place.y - h / 2).toFixed(1)})`,
        "aria-label": this.spoken(box, outputs),
        "aria-expanded": group ? "false" : undefined,
        onclick: () => this.choose(box),
        ondblclick: () => group && this.toggle(group.key, true),
        onkeydown: (e) => press(e, () => (group ? this.toggle(group.key, true) : this.choose(box))),
      },
      svg("rect", { width: w, height: h, rx: group ? 9 : 6, class: "body" }),
      svg("rect", { width: 4, height: h - 10, x: 5, y: 5, rx: 2, class: "bar" }),
      svg("text", { x: w / 2 + 3, y: box.below ? 18 : 18, class: "title" }, fitted(box.title, w)),
      box.below && svg("text", { x: w / 2 + 3, y: 33, class: "below" }, fitted(box.below, w * 1.13)),
      (box.added > 0 || box.removed > 0) && group && svg("text", { x: w - 6, y: -4, class: "changed" }, [box.added ? `+${box.added}` : "", box.removed ? ` −${box.removed}` : ""].join("")),
    );
    if (box.added && !box.removed) node.classList.add("added");
    else if (box.removed && !box.added) node.classList.add("removed");
    else if (box.removed) node.classList.add("added");
    return node;
  }

  spoken(box, outputs) {
    if (box.group) return `Group ${box.group.title}, ${plural(box.group.size, "node")}, closed. Enter opens it.`;
    const parts = [this.model.title(box.cell), this.model.type(box.cell)];
    if (outputs.has(box.cell)) parts.push("result");
    if (box.added) parts.push("added by this step");
    if (box.removed) parts.push("removed by this step");
    return parts.join(", ");
  }

  /** Show what is chosen and what is marked, without laying anything out. */
  paint() {
    const { selected, marked } = this.app.state;
    for (const node of this.nodes?.children ?? []) {
      const box = this.shown.boxes.find((b) => b.id === node.dataset.id);
      const on = box.cell !== undefined ? box.cell === selected : box.group.key === this.app.state.group;
      node.classList.toggle("selected", on);
      node.setAttribute("aria-pressed", on);
      const hit = marked && box.cells.some((c) => marked.has(c));
      node.classList.toggle("marked", Boolean(hit));
      node.classList.toggle("faded", Boolean(marked) && !hit);
    }
  }

  /** One node can be reached by Tab: the chosen one, else the first. */
  rove(id) {
    const nodes = [...(this.nodes?.children ?? [])];
    const at = nodes.find((n) => n.dataset.id === id) ?? nodes.find((n) => n.classList.contains("selected")) ?? nodes.at(-1);
    for (const node of nodes) node.setAttribute("tabindex", node === at ? 0 : -1);
    return at;
  }

  choose(box) {
    this.rove(box.id);
    if (box.group) this.app.selectGroup(box.group);
    else this.app.select(box.cell);
  }

  async toggle(key, on) {
    this.clusters.reveal = undefined;
    this.clusters.toggle(key, on);
    const group = this.clusters.found.get(key);
    this.app.say(`${group?.title ?? "group"} ${on ? "opened" : "closed"}`);
    await this.draw();
    if (on) this.center((this.shown.boxes.find((b) => b.parent === key) ?? this.shown.boxes[0])?.id, true);
    else this.center(key, true);
  }

  async reveal(cell, keyboard = false) {
    if (this.clusters.hidden(cell)) this.clusters.constants = true;
    this.clusters.reveal = cell;
    await this.draw({ focus: cell, keyboard });
  }

  // -- moving ------------------------------------------------------------------------

  key(event) {
    const zoom = { "+": 1.25, "=": 1.25, "-": 0.8 }[event.key];
    if (zoom) this.zoom(zoom);
    else if (event.key === "0") this.fit();
    else if (event.key.startsWith("Arrow") && event.target.dataset?.id) this.step(event.target.dataset.id, event.key);
    else return;
    event.preventDefault();
  }

  /** Up to what a node reads, down to what reads it, left and right to its neighbours. */
  step(id, key) {
    const { arrows } = this.shown;
    const from = this.places.get(id);
    let next = [];
    if (key === "ArrowUp") next = arrows.filter((a) => a.to === id).map((a) => a.from);
    if (key === "ArrowDown") next = arrows.filter((a) => a.from === id).map((a) => a.to);
    let boxes = next.map((n) => this.places.get(n)).filter(Boolean);
    const near = (b) => Math.abs(b.x - from.x) + Math.abs(b.y - from.y);
    if (key === "ArrowLeft" || key === "ArrowRight" || !boxes.length) {
      const side = { ArrowLeft: (b) => from.x - b.x, ArrowRight: (b) => b.x - from.x, ArrowUp: (b) => from.y - b.y, ArrowDown: (b) => b.y - from.y }[key];
      boxes = [...this.places.values()].filter((b) => side(b) > 1);
      const cross = key === "ArrowLeft" || key === "ArrowRight" ? (b) => Math.abs(b.y - from.y) * 4 + Math.abs(b.x - from.x) : near;
      boxes.sort((a, b) => cross(a) - cross(b));
    } else boxes.sort((a, b) => near(a) - near(b));
    if (!boxes.length) return;
    const box = this.shown.boxes.find((b) => b.id === boxes[0].id);
    this.choose(box);
    this.center(box.id, true);
  }

  center(id, focus = false) {
    const place = this.places.get(id);
    if (!place) return;
    const { width, height } = this.size();
    const { scale } = this.view;
    const [sx, sy] = [place.x * scale + this.view.x, place.y * scale + this.view.y];
    const margin = 48;
    if (sx < margin || sy < margin || sx > width - margin || sy > height - margin) {
      if (scale < 0.5) this.view.scale = 0.8;
      this.view.x = width / 2 - place.x * this.view.scale;
      this.view.y = height / 2 - place.y * this.view.scale;
      this.move();
    }
    const node = this.rove(id);
    if (focus) node?.focus({ preventScroll: true });
  }

  /** Bring all that a step changed into sight; where that is too much, what it made. */
  follow() {
    const changed = this.shown.boxes.filter((b) => b.added || b.removed);
    const made = changed.filter((b) => b.added);
    const { width, height } = this.size();
    for (const boxes of [changed, made, made.slice(0, 1)]) {
      if (!boxes.length) continue;
      const places = boxes.map((b) => this.places.get(b.id));
      const left = Math.min(...places.map((p) => p.x - p.width / 2));
      const right = Math.max(...places.map((p) => p.x + p.width / 2));
      const top = Math.min(...places.map((p) => p.y - p.height / 2));
      const bottom = Math.max(...places.map((p) => p.y + p.height / 2));
      const room = Math.min((width - 60) / (right - left), (height - 60) / (bottom - top));
      if (room < 0.45 && boxes.length > 1) continue;
      this.view.scale = Math.min(room, Math.max(this.view.scale, 0.75), 1.3);
      this.view.x = width / 2 - ((left + right) / 2) * this.view.scale;
      this.view.y = height / 2 - ((top + bottom) / 2) * this.view.scale;
      this.move();
      return;
    }
  }

  size() {
    return { width: this.svg.clientWidth || 800, height: this.svg.clientHeight || 500 };
  }

  fit() {
    if (!this.placed) return;
    const { width, height } = this.size();
    const scale = Math.min(width / this.placed.width, height / this.placed.height, 1.1);
    this.view.scale = Math.max(scale, 0.62);
    this.view.x = (width - this.placed.width * this.view.scale) / 2;
    this.view.y = Math.max(0, (height - this.placed.height * this.view.scale) / 2);
    if (this.placed.width * this.view.scale > width) this.toResult(width, height);
    this.fitted = true;
    this.move();
  }

  /** Where not all can be seen, look at the first results. */
  toResult(width, height) {
    const { latest } = this.model;
    const changed = this.clusters.stepping && latest.added.size && this.shown.boxes.find((b) => b.added || b.removed);
    const id = changed ? changed.id : this.clusters.boxOf((this.model.results.get(-1) ?? [])[0]);
    const place = this.places.get(id) ?? [...this.places.values()][0];
    if (!place) return;
    this.view.x = width / 2 - place.x * this.view.scale;
    if (this.placed.height * this.view.scale > height) this.view.y = height * 0.6 - place.y * this.view.scale;
  }

  resized() {
    if (this.placed && !this.touched) this.fit();
  }

  zoom(factor, cx, cy) {
    const { width, height } = this.size();
    cx ??= width / 2;
    cy ??= height / 2;
    const scale = Math.min(3, Math.max(0.05, this.view.scale * factor));
    this.view.x = cx - ((cx - this.view.x) * scale) / this.view.scale;
    this.view.y = cy - ((cy - this.view.y) * scale) / this.view.scale;
    this.view.scale = scale;
    this.touched = true;
    this.move();
  }

  move() {
    const { x, y, scale } = this.view;
    this.scene.setAttribute("transform", `translate(${x.toFixed(2)} ${y.toFixed(2)}) scale(${scale.toFixed(4)})`);
    this.scene.classList.toggle("far", scale < 0.34);
  }

  wheel(event) {
    event.preventDefault();
    const box = this.svg.getBoundingClientRect();
    const factor = Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0016));
    this.zoom(factor, event.clientX - box.left, event.clientY - box.top);
  }

  grab(event) {
    if (event.button) return;
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (this.pointers.size > 1) return;
    let moved = false;
    const drag = (e) => {
      if (!this.pointers.has(e.pointerId)) return;
      const [x, y] = this.pointers.get(e.pointerId);
      if (!moved && Math.hypot(e.clientX - x, e.clientY - y) < 4) return;
      if (!moved) this.svg.setPointerCapture(event.pointerId);
      moved = this.touched = true;
      if (this.pointers.size === 1) {
        this.view.x += e.clientX - x;
        this.view.y += e.clientY - y;
      } else this.pinch(e, x, y);
      this.pointers.set(e.pointerId, [e.clientX, e.clientY]);
      this.move();
    };
    const drop = (e) => {
      this.pointers.delete(e.pointerId);
      if (this.pointers.size) return;
      this.svg.removeEventListener("pointermove", drag);
      this.svg.removeEventListener("pointerup", drop);
      this.svg.removeEventListener("pointercancel", drop);
      if (moved) this.svg.addEventListener("click", (c) => c.stopPropagation(), { capture: true, once: true });
      setTimeout(() => (moved = false));
    };
    this.svg.addEventListener("pointermove", drag);
    this.svg.addEventListener("pointerup", drop);
    this.svg.addEventListener("pointercancel", drop);
  }

  pinch(e, x, y) {
    const other = [...this.pointers].find(([id]) => id !== e.pointerId)[1];
    const box = this.svg.getBoundingClientRect();
    const before = Math.hypot(x - other[0], y - other[1]);
    const after = Math.hypot(e.clientX - other[0], e.clientY - other[1]);
    this.zoom(after / Math.max(before, 1), (e.clientX + other[0]) / 2 - box.left, (e.clientY + other[1]) / 2 - box.top);
  }

  say(text) {
    this.note.hidden = !text;
    this.note.textContent = text;
    this.app.say(text);
  }
}

function press(event, action) {
  if (event.key !== "Enter" && event.key !== " ") return;
  event.preventDefault();
  event.stopPropagation();
  action();
}

function short(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

function fitted(text, width) {
  return short(text, Math.max(4, Math.floor((width - 18) / CHARACTER)));
}

/** A smooth line through points. */
function curve(points) {
  const f = (n) => n.toFixed(1);
  let path = `M${f(points[0][0])} ${f(points[0][1])}`;
  for (let k = 1; k < points.length - 1; k += 1) {
    const [x, y] = points[k];
    const last = k === points.length - 2;
    const [ex, ey] = last ? points[k + 1] : [(x + points[k + 1][0]) / 2, (y + points[k + 1][1]) / 2];
    path += ` Q${f(x)} ${f(y)} ${f(ex)} ${f(ey)}`;
  }
  return path;
}

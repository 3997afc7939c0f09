// What is drawn: single cells, or groups of them as one box each.

/** So many children of a group are shown at once; more are put into parts. */
const FAN = 32;
/** Graphs of up to this many nodes are never put into parts. */
const WHOLE = 130;
/** So many boxes are opened by themselves; and more than the limit are never drawn. */
export const BUDGET = 64;
export const LIMIT = 900;

export class Clusters {
  constructor(model) {
    this.model = model;
    this.grouping = model.data.nodes.length > 60 && model.data.lines.length > 2 ? "line" : "none";
    this.stepping = false;
    this.constants = false;
    this.open = new Map(); // what the user opened (true) or closed (false)
    this.found = new Map(); // the groups of the latest drawing, by name
  }

  /** Everything to draw now: boxes, frames around opened groups, and arrows. */
  visible() {
    const { model } = this;
    const { added, removed } = this.stepping ? model.latest : { added: new Set(), removed: new Map() };
    const alive = new Map([...model.reads, ...removed]);
    const shown = [...alive.keys()].filter((c) => this.constants || !this.hidden(c));
    this.tree(shown);
    this.choose(new Set([...added, ...removed.keys()]));
    return this.collect(shown, alive, added, removed);
  }

  hidden(cell) {
    return this.model.kind(cell) === "constant" && this.model.data.constants[cell] !== undefined;
  }

  /** Put each cell into its group, and groups into groups. */
  tree(cells) {
    const root = { key: "", title: "", children: [], parent: null, size: 0, depth: 0 };
    this.found = new Map([["", root]]);
    this.home = new Map();
    const { model } = this;
    const group = (parent, key, title, kind, cell) => {
      const full = `${parent.key}/${key}`;
      if (!this.found.has(full)) {
        const made = { key: full, title, kind, cell, children: [], parent, size: 0, depth: parent.depth + 1 };
        this.found.set(full, made);
        parent.children.push(made);
      }
      return this.found.get(full);
    };
    const base = (scope) => {
      const owners = [];
      for (let at = scope; at >= 0; at = model.scope(at)) owners.unshift(at);
      let place = root;
      for (const owner of owners) place = group(place, `loop${owner}`, model.title(owner), "loop", owner);
      return place;
    };
    for (const cell of cells) {
      let place = base(model.scope(cell));
      if (model.isLoop(cell)) place = group(place, `loop${cell}`, model.title(cell), "loop", cell);
      else {
        const named = this.groupOf(cell);
        if (named) place = group(place, ...named);
      }
      place.children.push(cell);
      this.home.set(cell, place);
    }
    if (cells.length > WHOLE) for (const place of [...this.found.values()]) this.part(place, group);
    for (const place of [...this.found.values()].sort((a, b) => b.depth - a.depth)) {
      place.size += place.children.filter((c) => typeof c === "number").length;
      if (place.parent) place.parent.size += place.size;
    }
    this.root = root;
  }

  groupOf(cell) {
    const { model, grouping } = this;
    const leaf = !model.reads.get(cell)?.length && !["constant"].includes(model.kind(cell));
    if (grouping === "function" && model.fn(cell) >= 0) {
      const name = model.data.functions[model.fn(cell)];
      return [`f${model.fn(cell)}`, name, "function"];
    }
    if (grouping === "line" && model.line(cell) >= 0) {
      const number = model.line(cell);
      return [`l${number}`, model.data.lines[number].text || model.lineTitle(number), "line"];
    }
    if (grouping === "kernel" && !leaf) {
      const kernel = model.kernelsOf.get(cell)?.[0];
      if (kernel !== undefined) return [`k${kernel}`, model.data.kernels[kernel].name, "kernel"];
    }
    return null;
  }

  /** Split what has too many children into parts, by where they stand. */
  part(place, group) {
    const cells = place.children.filter((c) => typeof c === "number");
    if (cells.length <= FAN * 1.5) return;
    const { placeOf } = this.model;
    const at = (cell) => placeOf.get(cell) ?? 0;
    cells.sort((a, b) => at(a) - at(b));
    place.children = place.children.filter((c) => typeof c !== "number");
    const last = at(cells.at(-1)) + 1;
    let width = FAN;
    while (last / width > FAN) width *= FAN;
    for (const cell of cells) {
      let parent = place;
      for (let w = width; w >= FAN; w /= FAN) {
        const from = Math.floor(at(cell) / w) * w;
        parent = group(parent, `p${w}-${from}`, `nodes ${from}–${Math.min(last, from + w) - 1}`, "part");
      }
      parent.children.push(cell);
      this.home.set(cell, parent);
    }
  }

  /** Which groups are open: what the user said, what has just changed, then small ones. */
  choose(changed) {
    this.opened = new Set([""]);
    let boxes = this.root.children.length;
    const openUp = (place) => {
      if (this.opened.has(place.key)) return;
      this.opened.add(place.key);
      boxes += place.children.length - 1;
    };
    const above = (place, forced) => {
      const path = [];
      for (let at = place; at; at = at.parent) path.unshift(at);
      for (const at of path) {
        if (this.open.get(at.key) === false && !forced) return;
        openUp(at);
      }
    };
    if (this.reveal !== undefined && this.home.has(this.reveal)) above(this.home.get(this.reveal), true);
    for (const [key, on] of this.open) {
      const place = this.found.get(key);
      if (on && place && (!place.parent || this.reachable(place))) above(place, false);
    }
    for (const cell of changed) {
      const place = this.home.get(cell);
      if (place && boxes < BUDGET * 2) above(place, false);
    }
    let more = true;
    while (more) {
      more = false;
      const next = [...this.found.values()]
        .filter((p) => p.parent && !this.opened.has(p.key) && this.opened.has(p.parent.key))
        .filter((p) => this.open.get(p.key) === undefined)
        .filter((p) => p.kind === "loop" || p.parent.children.length === 1)
        .sort((a, b) => a.children.length - b.children.length);
      for (const place of next) {
        if (boxes + place.children.length - 1 > BUDGET) break;
        openUp(place);
        more = true;
      }
    }
    this.boxes = boxes;
  }

  reachable(place) {
    for (let at = place.parent; at; at = at.parent) if (this.open.get(at.key) === false) return false;
    return true;
  }

  /** The box that stands for a cell. */
  boxOf(cell) {
    const path = [];
    for (let at = this.home.get(cell); at; at = at.parent) path.unshift(at);
    for (const at of path) if (!this.opened.has(at.key)) return at.key;
    return `c${cell}`;
  }

  collect(shown, alive, added, removed) {
    const boxes = new Map();
    const box = (cell) => {
      const id = this.boxOf(cell);
      if (!boxes.has(id)) boxes.set(id, this.box(id, cell));
      return boxes.get(id);
    };
    for (const cell of shown) {
      const at = box(cell);
      at.cells.push(cell);
      if (added.has(cell)) at.added += 1;
      if (removed.has(cell)) at.removed += 1;
    }
    const arrows = new Map();
    const arrow = (from, to, kind) => {
      if (from === to) return;
      const key = `${from.id}>${to.id}`;
      const at = arrows.get(key) ?? { from: from.id, to: to.id, kind, count: 0 };
      at.count += 1;
      arrows.set(key, at);
    };
    const visible = new Set(shown);
    for (const cell of shown) {
      for (const source of alive.get(cell)) {
        if (box(cell).cell === cell) box(cell).order.push(visible.has(source) ? "·" : this.model.title(source));
        if (visible.has(source)) arrow(box(source), box(cell), removed.has(cell) ? "gone" : "");
        else if (this.model.kind(source) === "constant" && box(cell).cell === cell)
          box(cell).constants.push(this.model.title(source));
      }
    }
    for (const [owner, cells] of this.model.results) {
      if (owner < 0 || !visible.has(owner)) continue;
      for (const cell of cells) if (visible.has(cell)) arrow(box(cell), box(owner), "body");
    }
    const frames = [...this.opened].filter(Boolean).map((key) => this.found.get(key)).filter(Boolean);
    return { boxes: [...boxes.values()], arrows: [...arrows.values()], frames };
  }

  box(id, cell) {
    const single = id.startsWith("c");
    const place = single ? this.home.get(cell) : this.found.get(id).parent;
    return {
      id,
      cell: single ? cell : undefined,
      group: single ? undefined : this.found.get(id),
      parent: place && place.key ? place.key : undefined,
      cells: [],
      constants: [],
      order: [],
      added: 0,
      removed: 0,
    };
  }

  toggle(key, on) {
    this.open.set(key, on ?? !this.opened.has(key));
  }
}

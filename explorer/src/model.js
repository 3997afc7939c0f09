// The document of `symgraph.explorer` and the graph at any moment of the rewriting.

/** Digits that say nothing, as those of 0.1 in float32, are left out. */
function shortened(text) {
  return text.replace(/-?\d+\.\d{7,}(e[-+]?\d+)?/g, (n) => String(Number(Number(n).toPrecision(6))));
}

export class Model {
  constructor(data) {
    this.data = data;
    this.steps = data.steps;
    this.time = 0; // so many steps are done
    this.reads = new Map(); // what each living cell reads
    this.results = new Map();
    this.undo = [];
    this.birth = new Map();
    this.death = new Map();
    this.index();
    this.placeOf = this.positions();
    this.number = new Map(data.nodes.map((cell, k) => [cell, k]));
    this.kernelsOf = new Map();
    data.nodes.forEach((cell, k) => this.kernelsOf.set(cell, data.origins[k][1]));
    this.seek(this.steps.length);
  }

  /** Learn what each step takes away, so that it can be undone. */
  index() {
    for (const [number, step] of this.steps.entries()) {
      const old = [];
      for (const cell of step.removed) {
        old.push([cell, this.reads.get(cell)]);
        this.reads.delete(cell);
        this.death.set(cell, number);
      }
      for (const [cell, ...reads] of step.reads) {
        old.push([cell, this.reads.get(cell)]);
        this.reads.set(cell, reads);
      }
      for (const cell of step.added) {
        if (!this.birth.has(cell)) this.birth.set(cell, number);
        this.death.delete(cell);
      }
      const results = (step.results ?? []).map(([owner, ...cells]) => {
        const before = this.results.get(owner);
        this.results.set(owner, cells);
        return [owner, before];
      });
      this.undo.push({ old, results });
    }
    this.time = this.steps.length;
  }

  /** A place for every cell that no step changes: new cells stand where old ones stood. */
  positions() {
    const place = new Map();
    let last = 0;
    for (const step of this.steps) {
      if (!place.size) {
        step.reads.forEach(([cell], k) => place.set(cell, k));
        for (const cell of step.added) if (!place.has(cell)) place.set(cell, place.size);
        continue;
      }
      const old = step.removed.map((c) => place.get(c)).filter((p) => p !== undefined);
      const near = old.length ? Math.max(...old) : last;
      for (const cell of step.added) if (!place.has(cell)) place.set(cell, near);
      last = near;
    }
    return place;
  }

  /** The graph after `time` steps. */
  seek(time) {
    while (this.time < time) {
      const step = this.steps[this.time++];
      for (const cell of step.removed) this.reads.delete(cell);
      for (const [cell, ...reads] of step.reads) this.reads.set(cell, reads);
      for (const [owner, ...cells] of step.results ?? []) this.results.set(owner, cells);
    }
    while (this.time > time) {
      const { old, results } = this.undo[--this.time];
      for (const cell of this.steps[this.time].added) this.reads.delete(cell);
      for (const [cell, reads] of old.toReversed()) {
        if (reads) this.reads.set(cell, reads);
        else this.reads.delete(cell);
      }
      for (const [owner, cells] of results) {
        if (cells) this.results.set(owner, cells);
        else this.results.delete(owner);
      }
    }
  }

  /** The step that has just been made, and the cells that it took away, with their reads. */
  get latest() {
    const step = this.steps[this.time - 1];
    if (!step || this.time === 1) return { step, added: new Set(), removed: new Map() };
    const gone = new Set(step.removed);
    const removed = new Map(this.undo[this.time - 1].old.filter(([c, r]) => gone.has(c) && r));
    return { step, added: new Set(step.added), removed };
  }

  /** A moment at which `cell` is there: now, where it is, else the last one. */
  timeOf(cell) {
    if (this.reads.has(cell)) return this.time;
    return this.death.has(cell) ? this.death.get(cell) : this.steps.length;
  }

  op(cell) {
    return this.data.ops[this.data.cells[cell][0]];
  }
  kind(cell) {
    return this.op(cell)[0];
  }
  type(cell) {
    return this.data.types[this.data.cells[cell][1]];
  }
  line(cell) {
    return this.data.cells[cell][2];
  }
  fn(cell) {
    return this.data.cells[cell][3];
  }
  scope(cell) {
    return this.data.cells[cell][4];
  }
  isLoop(cell) {
    return this.results.has(cell);
  }
  /** What is written on a node. */
  title(cell) {
    const name = this.data.names[cell];
    const kind = this.kind(cell);
    if (kind === "constant") return shortened(this.data.constants[cell] ?? this.op(cell)[1]);
    if (["input", "shared", "parameter"].includes(kind) && name) return name;
    return this.brief(cell);
  }
  /** An op with those of its parameters that say something: "sum axes=(1,)". */
  brief(cell) {
    const [name, text] = this.op(cell);
    const given = /^[^<]*<(.*)>$/s.exec(text);
    if (!given) return text;
    const telling = given[1]
      .split(/, (?=\w+=)/)
      .filter((p) => !/=(#\w+|False|None|0|''|\(\))$|^body|^(dtype|carries|sequences|label)=/.test(p))
      .map((p) => p.replace(/=True$/, "").replace(/^(axes|axis|number)=/, ""));
    return telling.length ? `${name} ${telling.join(" ")}` : name;
  }
  shortFile(number) {
    return this.data.files[number].split("/").at(-1);
  }
  lineTitle(number) {
    const line = this.data.lines[number];
    return `${this.shortFile(line.file)}:${line.line}`;
  }
  rule(step) {
    if (step.rule >= 0) return this.data.rules[step.rule][0];
    return step === this.steps[0] ? "as written" : "the pass itself";
  }
}

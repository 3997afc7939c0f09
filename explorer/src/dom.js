// Elements from data. Text is always text: nothing here ever parses markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes ("on..." are listeners) and children (nodes or text). */
export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null) continue;
    if (value === false && !key.startsWith("aria-")) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true && !key.startsWith("aria-") ? "" : String(value));
  }
  node.append(...children.flat(3).filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

/** Replace the children of `node`. */
export function put(node, ...children) {
  node.replaceChildren(...children.flat(3).filter((c) => c !== null && c !== undefined && c !== false));
}

/** 12,345 B as "12.3 kB"; formulas stay as they are. */
export function bytes(amount) {
  if (amount === undefined || amount === null) return "";
  if (typeof amount === "string") return `${amount} B`;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let k = 0;
  while (amount >= 1000 && k < units.length - 1) {
    amount /= 1000;
    k += 1;
  }
  return `${k ? amount.toPrecision(3) : amount} ${units[k]}`;
}

export function count(amount) {
  return typeof amount === "number" ? amount.toLocaleString("en") : String(amount);
}

export function seconds(value) {
  if (value >= 1) return `${value.toPrecision(3)} s`;
  if (value >= 1e-3) return `${(value * 1e3).toPrecision(3)} ms`;
  return `${(value * 1e6).toPrecision(3)} µs`;
}

export function plural(n, what) {
  return `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;
}

/** Arrow keys move the focus among the tabs of a list; a click chooses one. */
export function tablist(label, items, chosen, choose) {
  const tabs = items.map(([key, ...text]) =>
    el(
      "button",
      {
        role: "tab",
        type: "button",
        class: "tab",
        "data-key": key,
        "aria-selected": key === chosen,
        tabindex: key === chosen ? 0 : -1,
        onclick: () => choose(key),
        onkeydown: (event) => {
          const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
          let at = tabs.indexOf(event.currentTarget);
          if (event.key === "Home") at = 0;
          else if (event.key === "End") at = tabs.length - 1;
          else if (step) at = (at + step + tabs.length) % tabs.length;
          else return;
          event.preventDefault();
          tabs[at].focus();
          choose(items[at][0]);
        },
      },
      text,
    ),
  );
  return el("div", { role: "tablist", "aria-label": label, class: "tabs" }, tabs);
}

export function mark(tabs, chosen) {
  for (const tab of tabs.children) {
    const on = tab.dataset.key === String(chosen);
    tab.setAttribute("aria-selected", on);
    tab.tabIndex = on ? 0 : -1;
  }
}

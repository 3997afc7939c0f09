// One bundle for both: a page that holds its data, and a widget of a notebook.
import style from "./style.css";
import { App } from "./app.js";

/** Show `data` below `place`; returns the app. */
export function mount(place, data, host) {
  const root = place.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(style);
  root.adoptedStyleSheets = [sheet];
  return new App(root, data, host);
}

/** anywidget: the pipeline runs in the kernel, which sends the document anew. */
function render({ model, el }) {
  const place = document.createElement("div");
  place.className = "symgraph-explorer";
  place.style.height = `${model.get("height")}px`;
  el.append(place);
  const read = () => JSON.parse(model.get("document"));
  const app = mount(place, read(), {
    exclude: (names) => {
      model.set("off", names);
      model.save_changes();
    },
  });
  const update = () => app.update(read());
  const fail = () => model.get("error") && app.fail(model.get("error"));
  model.on("change:document", update);
  model.on("change:error", fail);
  return () => {
    model.off("change:document", update);
    model.off("change:error", fail);
    app.graph.close();
  };
}

export default { render };

const held = document.getElementById("symgraph-data");
const place = document.getElementById("symgraph-explorer");
if (held && place) {
  const start = performance.now();
  const app = mount(place, JSON.parse(held.textContent));
  app.drawn = () => {
    if (!place.dataset.ready) place.dataset.ready = (performance.now() - start).toFixed(0);
  };
}

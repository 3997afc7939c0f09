// Builds the one file that pages and notebooks hold: symgraph/inspect/web/explorer.js.
import { build } from "esbuild";
import { copyFile, readFile, writeFile, mkdir } from "node:fs/promises";

const out = "../symgraph/inspect/web";
const common = {
  bundle: true,
  minify: true,
  write: false,
  format: "esm",
  target: "es2022",
  legalComments: "none",
  loader: { ".css": "text" },
};

const worker = await build({ ...common, entryPoints: ["src/worker.js"], format: "iife" });
const code = worker.outputFiles[0].text;
const page = await build({
  ...common,
  entryPoints: ["src/main.js"],
  define: { WORKER_CODE: JSON.stringify(code) },
});
const text = page.outputFiles[0].text;
if (/<\/script|<!--/i.test(text)) {
  throw new Error("the bundle cannot stand in a script element");
}
await mkdir(out, { recursive: true });
await writeFile(`${out}/explorer.js`, text);

const licences = ["@dagrejs/dagre", "@dagrejs/graphlib"];
const parts = await Promise.all(
  licences.map(async (name) => {
    const about = JSON.parse(await readFile(`node_modules/${name}/package.json`, "utf8"));
    const licence = await readFile(`node_modules/${name}/LICENSE`, "utf8");
    return `explorer.js contains ${name} ${about.version}:\n\n${licence.trim()}\n`;
  }),
);
await writeFile(`${out}/LICENSES.txt`, parts.join("\n" + "-".repeat(72) + "\n\n"));
console.log(`explorer.js: ${(text.length / 1024).toFixed(0)} kB`);

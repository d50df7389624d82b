/**
 * Builds the pages: every folder here with an `index.html` is one.
 *
 * They go to `static/built/` of the Python package, as `built/PAGE/index.html` and files named by the hash of what they
 * hold, which browsers may keep for good. Converse.js is no part of the build: it stands beside it as its makers have
 * built it (scripts/copy_web_client.py), in a folder named by its version, and `import … from "converse"` leads there.
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { defineConfig, type Plugin } from "vite";

const ROOT = import.meta.dirname;
const STATIC = resolve(ROOT, "../src/raftline/web/static");
const pinned = JSON.parse(readFileSync(resolve(ROOT, "../package.json"), "utf-8"));
const CONVERSE = `/static/converse-${pinned.dependencies["converse.js"]}`;

/** The pages by the names of their folders. */
function pages(): Record<string, string> {
  const folders = readdirSync(ROOT).filter((name) => existsSync(resolve(ROOT, name, "index.html")));
  return Object.fromEntries(folders.map((name) => [name, resolve(ROOT, name, "index.html")]));
}

/** Leads `converse` to the file that is served, and `%CONVERSE%` in pages to its folder. */
function converse(): Plugin {
  return {
    name: "raftline-converse",
    enforce: "pre",
    resolveId: (id) => (id === "converse" ? { id: `${CONVERSE}/converse.min.js`, external: "absolute" } : undefined),
    transformIndexHtml: { order: "pre", handler: (html) => html.replaceAll("%CONVERSE%", CONVERSE) },
  };
}

export default defineConfig({
  root: ROOT,
  base: "/static/built/",
  publicDir: false,
  define: { __CONVERSE__: JSON.stringify(CONVERSE) },
  plugins: [converse()],
  build: {
    outDir: resolve(STATIC, "built"),
    emptyOutDir: true,
    assetsInlineLimit: 0, // the content security policy knows files, not data in styles
    license: { fileName: "licenses.md" }, // of what is built in: whoever gets a copy gets them too
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    target: "es2023",
    rolldownOptions: { input: pages() },
  },
});

import path from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/** Each text of the build also stands compressed beside itself, so that the server compresses nothing while it answers. */
const compressed: Plugin = {
  name: "compressed",
  apply: "build",
  generateBundle: {
    // Behind Vite's own last changes of the chunks: what is served compressed must be what is served plain.
    order: "post",
    handler(_, bundle) {
      for (const file of Object.values(bundle)) {
        if (!/\.(js|css|svg)$/.test(file.fileName)) continue;
        const source = file.type === "chunk" ? file.code : file.source;
        const bytes = brotliCompressSync(source, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
        this.emitFile({ type: "asset", fileName: `${file.fileName}.br`, source: bytes });
      }
    },
  },
};

const server = process.env.MILLRACE_URL ?? "http://127.0.0.1:8080";

/** `vite console` serves the console while it is worked on, on top of a server that runs; `vite build console` makes console/dist. */
export default defineConfig({
  root: import.meta.dirname,
  plugins: [react(), compressed],
  build: {
    outDir: path.join(import.meta.dirname, "dist"),
    emptyOutDir: true,
    target: "es2024",
    // The content security policy allows no data: scripts, and small icons are better cached than repeated.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { port: 5173, proxy: { "/api": server, "/odf": server } },
});

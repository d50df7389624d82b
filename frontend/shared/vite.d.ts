/** What the build puts in (vite.config.ts). */

/** The folder of Converse.js, as the node serves it. */
declare const __CONVERSE__: string;

declare module "*.css";

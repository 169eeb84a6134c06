import { deployStep } from "./deploy.ts";

/** What the runner starts: `node action/dist/index.mjs`. */
const cancelled = new AbortController();
// A cancelled job: the runner gives us some seconds to say what becomes of the deployment.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => cancelled.abort());

process.exitCode = await deployStep(process.env, (text) => process.stdout.write(text), cancelled.signal);

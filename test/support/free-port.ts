/** Below the range that the kernel (ip_local_port_range) and Docker hand out by themselves, so nobody gets it in between. */
const FIRST = 15_000;
const COUNT = 17_000;
const ATTEMPTS = 100;

/** A TCP port of 127.0.0.1 that nobody listens on now, for programs that must be told their port. */
export function freePort(): number {
  for (let tries = 0; tries < ATTEMPTS; tries++) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (isFree(port)) return port;
  }
  throw new Error(`no free port found in ${ATTEMPTS} tries`);
}

function isFree(port: number): boolean {
  try {
    Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } }).stop(true);
    return true;
  } catch {
    return false;
  }
}

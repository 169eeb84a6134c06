import { DeployerError } from "../core/errors.ts";

/** Another daemon that starts at the same time takes this long at most. */
const WAIT_MS = 5_000;
const TRY_EVERY_MS = 10;

/**
 * Takes a port that is then shared with later listeners of this process, and nobody else's: whether it is free is seen by
 * taking it alone first, which fails while anybody listens there. In the moment between, a second daemon could do the same,
 * and both would share it in silence; so that is done by one daemon after the other. What they wait for is a name of the
 * kernel's (an abstract socket, unix(7)), which knows the same network as the port, and ends with its process.
 * @param port 0: any
 * @param listen gives the listener; it throws while the port is taken
 */
export function takeSharedPort<T extends { port?: number | undefined; stop(closeAll: boolean): unknown }>(
  port: number,
  listen: (port: number, options: { reusePort: boolean }) => T,
): T {
  const turn = takeTurn(port);
  try {
    const alone = listen(port, { reusePort: false });
    const taken = alone.port ?? port;
    void alone.stop(true);
    return listen(taken, { reusePort: true });
  } finally {
    turn.stop(true);
  }
}

function takeTurn(port: number): { stop(closeAll: boolean): void } {
  for (let waitedMs = 0; ; waitedMs += TRY_EVERY_MS) {
    try {
      return Bun.listen({ unix: `\0deployer-service/port/${port}`, socket: { data() {} } });
    } catch (cause) {
      if (waitedMs >= WAIT_MS)
        throw new DeployerError("config", `cannot listen on port ${port}: another daemon is taking it`, {
          cause,
        });
      Bun.sleepSync(TRY_EVERY_MS);
    }
  }
}

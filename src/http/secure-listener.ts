import { DeployerError } from "../core/errors.ts";
import type { Certificate } from "../system/certificate.ts";
import type { CertificateStore } from "./certificate-store.ts";
import { takeSharedPort } from "./port.ts";

/** A renewed certificate is shown to callers so soon. */
const LOOK_EVERY_MS = 1_000;

type Listener = Bun.Server<undefined>;

/** Several listeners on one port: that with the newest certificate, and those before it, which accept nothing any more. */
export type SecureListener = {
  port: number;
  hostname: string;
  /** As `Bun.Server.stop`, of all of them. */
  stop(closeConnections: boolean): Promise<void>;
};

/**
 * Listens, and shows each certificate as soon as there is one: Bun ignores those given to a listener that runs. So another
 * listener takes the port over, and the one before ends with the last of its requests and streams.
 * @param listen gives a listener with this certificate
 */
export function listenSecurely(
  port: number,
  certificates: CertificateStore,
  listen: (port: number, options: { reusePort: boolean; certificate: Certificate }) => Listener,
): SecureListener {
  let newest = takeSharedPort(port, (port, { reusePort }) =>
    listen(port, { reusePort, certificate: certificates.current() }),
  );
  const taken = newest.port ?? port;
  const leaving = new Set<Listener>();
  const timer = setInterval(() => certificates.renew(takeOver), LOOK_EVERY_MS);

  function takeOver(certificate: Certificate): void {
    const before = newest;
    try {
      newest = listen(taken, { reusePort: true, certificate });
    } catch (cause) {
      throw new DeployerError("config", "no listener could be had with the new certificate", { cause });
    }
    void leave(before);
  }

  async function leave(listener: Listener): Promise<void> {
    leaving.add(listener);
    // Connections that wait to be accepted would be reset: it gets the time to accept them.
    await Bun.sleep(0);
    await listener.stop(false).finally(() => leaving.delete(listener));
  }

  return {
    port: taken,
    hostname: newest.hostname ?? "",
    async stop(closeConnections) {
      clearInterval(timer);
      await Promise.all([newest, ...leaving].map((listener) => listener.stop(closeConnections)));
    },
  };
}

/** Stands in for the daemon: answers /health and /version as it is told, on PORT, by TLS where it is given a certificate. Arguments: version, health words. */
const [version = "", health = ""] = process.argv.slice(2);
if (health === "dies") process.exit(1);

const [cert, key] = [process.env["TLS_CERT_FILE"], process.env["TLS_KEY_FILE"]];

Bun.serve({
  ...(cert && key ? { tls: { cert: Bun.file(cert), key: Bun.file(key) } } : {}),
  port: Number(process.env["PORT"]),
  hostname: "127.0.0.1",
  fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/version") return new Response(`${version}\n`);
    if (pathname === "/health" && health === "healthy") return new Response("deployer healthy\n");
    return new Response("unable\n", { status: 503 });
  },
});

/** One release as the stand-in serves it: its files by name. */
export type Release = Record<string, string>;

/** A loopback server with the paths of GitHub's releases; `latest` is the last one added. */
export class Releases implements Disposable {
  readonly #releases = new Map<string, Release>();
  readonly #server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: (request) => this.#answer(request) });
  /** The name of a file whose download is cut half-way; the server is gone from then on. */
  cut = "";

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  add(version: string, files: Release, sums = sha256Sums(files)): void {
    this.#releases.set(version, { ...files, SHA256SUMS: sums });
  }

  [Symbol.dispose](): void {
    void this.#server.stop(true);
  }

  #answer(request: Request): Response {
    const [kind, version = "", file = ""] = new URL(request.url).pathname.slice(1).split("/");
    const newest = [...this.#releases.keys()].at(-1);
    if (kind === "latest" && newest !== undefined) return Response.redirect(`${this.url}/tag/${newest}`, 302);
    if (kind === "tag" && this.#releases.has(version)) return new Response("a page");
    const content = kind === "download" ? this.#releases.get(version)?.[file] : undefined;
    if (content === undefined) return new Response("not found", { status: 404 });
    return new Response(file === this.cut ? this.#half(content) : content);
  }

  #half(content: string): ReadableStream {
    const halves = [content.slice(0, content.length / 2)];
    return new ReadableStream({
      pull: (controller) => {
        const half = halves.shift();
        if (half === undefined) return this[Symbol.dispose]();
        controller.enqueue(half);
      },
    });
  }
}

export function sha256Sums(files: Release): string {
  return Object.entries(files)
    .map(([name, content]) => `${new Bun.CryptoHasher("sha256").update(content).digest("hex")}  ${name}\n`)
    .join("");
}

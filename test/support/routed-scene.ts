import type { LoadOptions } from "./load-result.ts";
import { type Load, startLoad } from "./load.ts";
import { freePort } from "./free-port.ts";
import { publishHaproxy } from "./haproxy-image.ts";
import type { Published } from "./push-image.ts";
import { type Scene, startScene, type SceneOptions } from "./scene.ts";
import { stage } from "./stage.ts";
import { publishWeb, type WebImage } from "./web-image.ts";

/** A scene whose services are behind the edge. */
export type RoutedScene = Scene & {
  /** Port of this machine that the edge has. */
  port: number;
  /** Publishes a version of the web server: `repository:tag`. */
  publish(tag: string, image?: Partial<WebImage>): Promise<string>;
  /** A load through the edge, on the service `web`, at a constant rate. */
  load(options: Partial<LoadOptions> & { perSecond: number }): Promise<Load>;
};

export type RoutedSceneOptions = Omit<SceneOptions, "compose"> & {
  /** Text of `services:`, for an image of the web server. */
  services: (image: string) => string;
  /** More lines of `x-deployer.edge`, as a flow mapping's inside. */
  edge?: string;
};

/** Host of the services' routes. */
export const HOST = "shop.example.com";

/** The web server's first version is `v1`; the proxy is a real one. */
export async function startRoutedScene({
  services,
  edge,
  ...options
}: RoutedSceneOptions): Promise<RoutedScene> {
  const port = freePort();
  const namespace = `edge${crypto.randomUUID().replaceAll("-", "").slice(0, 12)}`;
  const { registry } = stage();
  const proxy = await publishHaproxy(registry, { repository: `${namespace}/haproxy`, tag: "3.0" });
  const publish = async (tag: string, image: Partial<WebImage> = {}): Promise<string> => {
    const web = { version: tag, ...image, repository: `${namespace}/web`, tag };
    return (await publishWeb(registry, web)).reference;
  };
  const image = await publish("v1");
  const scene = await startScene({
    ...options,
    compose: async () => composeFile(port, proxy, services(image), edge),
  });
  return {
    ...scene,
    port,
    publish,
    load: ({ perSecond, ...more }) => startLoad({ port, host: HOST, service: "web", perSecond, ...more }),
  };
}

function composeFile(port: number, proxy: Published, services: string, edge = ""): string {
  const more = edge === "" ? "" : `, ${edge}`;
  return `x-deployer:\n  edge: { http: ${port}, image: "${proxy.reference}"${more} }\nservices:\n${services}`;
}

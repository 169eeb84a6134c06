import { expect } from "bun:test";

import { encoded, type HttpCases } from "./http-case.ts";
import { composeFile, type HttpWorld } from "./http-world.ts";

const SUCCESS = "deploy request successful for service web\n";
const ELSEWHERE = "evil.example/web:v2";

/** Rows about the image that a request names, and about what a deployment leaves alone. */
export const IMAGE_CASES: HttpCases = {
  "image in the payload: the compose file's repository, another tag": {
    body: ({ aws }) => encoded({ service: "web", image: `${aws.repository("web")}:v2` }),
    async after(world) {
      expect(await runningImages(world)).toEqual([world.v2.imageId]);
    },
  },
  "image: the compose file's own text": {
    body: ({ aws }) => encoded({ service: "web", image: `${aws.repository("web")}:v1` }),
    async after(world) {
      expect(await runningImages(world)).toEqual([world.v1.imageId]);
    },
  },
  "image: another repository of the same registry, or another registry": {
    body: ({ aws }) => encoded({ service: "web", image: aws.repository("other") }),
    text: ({ aws }) => notAllowed(aws.repository("other")),
    async after(world, _, again) {
      const before = await world.project.containers();
      const reply = await again({ body: encoded({ service: "web", image: ELSEWHERE }) });
      expect([reply.status, reply.text]).toEqual([422, notAllowed(ELSEWHERE)]);
      expect(reply.headers.has("Deployer-Deployment")).toBe(false);
      expect(await world.project.containers()).toEqual(before);
    },
  },
  "image: the literal `$IMAGE`": { body: encoded({ service: "web", image: "$IMAGE" }) },
  "a service added to the file but not named in the request": {
    status: 200,
    text: SUCCESS,
    before: async ({ project, aws }) => project.write(composeFile(aws, ["added"])),
    async after(world, _, again) {
      expect(await services(world)).toEqual(["web"]);
      const own = await again({ body: encoded({ service: "added" }) });
      expect([own.status, own.text]).toEqual([200, SUCCESS.replace("web", "added")]);
      expect(await services(world)).toEqual(["added", "web"]);
    },
  },
};

function notAllowed(image: string): string {
  return `image "${image}" is not from a repository that service "web" may run; add it to x-deployer.images in the compose file to allow it\n`;
}

async function runningImages({ project }: HttpWorld): Promise<string[]> {
  const containers = await project.containers();
  return containers.filter(({ state }) => state === "running").map(({ imageId }) => imageId);
}

async function services({ project }: HttpWorld): Promise<string[]> {
  return (await project.containers()).map(({ service }) => service).toSorted();
}

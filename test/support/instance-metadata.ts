/** The keys of an instance's role, as EC2 hands them out. */
type RoleKeys = { accessKeyId: string; secret: string; sessionToken: string };

export type InstanceMetadata = AsyncDisposable & {
  /** For AWS_EC2_METADATA_SERVICE_ENDPOINT. */
  url: string;
  /** Method and path of every request, in order. */
  requests: readonly string[];
  /** The role has these keys from now on. */
  rotate(keys: RoleKeys): void;
};

const ROLE = "deployer";
const CREDENTIALS = "/latest/meta-data/iam/security-credentials/";
const LIFE_MS = 6 * 60 * 60 * 1000;

/** A stand-in for EC2's instance metadata service, version 2 only: a session token is fetched by PUT, without it all is 401. */
export function startInstanceMetadata(first: RoleKeys): InstanceMetadata {
  const session = crypto.randomUUID();
  const requests: string[] = [];
  let keys = first;

  function answer({ method, headers }: Request, path: string): Response {
    if (path === "/latest/api/token") {
      const isAsked = method === "PUT" && headers.has("x-aws-ec2-metadata-token-ttl-seconds");
      return isAsked ? new Response(session) : new Response("", { status: 400 });
    }
    if (headers.get("x-aws-ec2-metadata-token") !== session) return new Response("", { status: 401 });
    if (path === CREDENTIALS) return new Response(ROLE);
    if (path !== `${CREDENTIALS}${ROLE}`) return new Response("", { status: 404 });
    const now = Date.now();
    return Response.json({
      Code: "Success",
      Type: "AWS-HMAC",
      LastUpdated: new Date(now).toISOString(),
      AccessKeyId: keys.accessKeyId,
      SecretAccessKey: keys.secret,
      Token: keys.sessionToken,
      Expiration: new Date(now + LIFE_MS).toISOString(),
    });
  }

  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    development: false,
    fetch(request) {
      const { pathname } = new URL(request.url);
      requests.push(`${request.method} ${pathname}`);
      return answer(request, pathname);
    },
  });
  return {
    url: server.url.origin,
    requests,
    rotate(next) {
      keys = next;
    },
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}

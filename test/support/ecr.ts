import { EcrTokens } from "./ecr-tokens.ts";

/** One request that the stand-in for AWS's ECR API got. */
type EcrCall = {
  at: number;
  target: string;
  accessKeyId: string | undefined;
  /** AWS takes the keys of a role only together with their session token. */
  sessionToken: string | undefined;
  status: number;
};

/** How a call fails: as AWS answers it, or with no answer at all. */
type EcrFailure =
  | "UnrecognizedClientException"
  | "ExpiredTokenException"
  | "AccessDeniedException"
  | "ThrottlingException"
  | "InternalFailure"
  | "ServiceUnavailable"
  | "hang";

export type Ecr = {
  /** For AWS_ENDPOINT_URL_ECR. */
  url: string;
  /** What it has issued; a registry with ECR's sign-in asks these. */
  tokens: EcrTokens;
  calls: readonly EcrCall[];
  /** The next `times` calls fail (default: all until `recover`). */
  fail(failure: EcrFailure, times?: number): void;
  recover(): void;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

export type EcrOptions = {
  /** Real life of a token in milliseconds; 12 hours, as ECR's. */
  life?: number;
  /** What `expiresAt` is off by, in milliseconds: some emulators report a time in the past. */
  reportedOffset?: number;
  /** `proxyEndpoint` of the reply. */
  proxyEndpoint?: string;
};

const TWELVE_HOURS = 12 * 60 * 60 * 1000;
const TARGET = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";
const SIGNATURE =
  /^AWS4-HMAC-SHA256 Credential=([^/,]+)\/\d{8}\/[a-z0-9-]+\/ecr\/aws4_request, ?SignedHeaders=[^,]+, ?Signature=[0-9a-f]{64}$/;

/** Statuses and messages as AWS gives them (ECR API reference, "Common Errors"). */
const FAILURES: Record<Exclude<EcrFailure, "hang">, { status: number; message: string }> = {
  UnrecognizedClientException: {
    status: 400,
    message: "The security token included in the request is invalid.",
  },
  ExpiredTokenException: { status: 400, message: "The security token included in the request is expired" },
  AccessDeniedException: {
    status: 400,
    message:
      "User: arn:aws:sts::123456789012:assumed-role/deployer/i-0123456789abcdef0 is not authorized to perform: ecr:GetAuthorizationToken on resource: * because no identity-based policy allows the ecr:GetAuthorizationToken action",
  },
  ThrottlingException: { status: 400, message: "Rate exceeded" },
  InternalFailure: { status: 500, message: "The request processing has failed because of an unknown error." },
  ServiceUnavailable: {
    status: 503,
    message: "The request has failed due to a temporary failure of the server.",
  },
};

/** A stand-in for the one call of AWS's ECR API that a puller needs (AWS JSON 1.1). Signatures must be there; nobody can check them. */
export function startEcr(options: EcrOptions = {}): Ecr {
  const tokens = new EcrTokens(options.life ?? TWELVE_HOURS);
  const calls: EcrCall[] = [];
  let failure: { kind: EcrFailure; left: number } | undefined;

  function nextFailure(): EcrFailure | undefined {
    if (failure === undefined || failure.left <= 0) return undefined;
    failure.left--;
    return failure.kind;
  }

  async function answer(request: Request, origin: string): Promise<Response> {
    const target = request.headers.get("x-amz-target") ?? "";
    const accessKeyId = SIGNATURE.exec(request.headers.get("authorization") ?? "")?.[1];
    const sessionToken = request.headers.get("x-amz-security-token") ?? undefined;
    const call = { at: Date.now(), target, accessKeyId, sessionToken };
    const fails = nextFailure();
    if (fails === "hang") {
      calls.push({ ...call, status: 0 });
      return new Promise<Response>(() => {});
    }
    const reply =
      fails === undefined ? judge(request, target, accessKeyId, origin) : refusal(fails, FAILURES[fails]);
    calls.push({ ...call, status: reply.status });
    return reply;
  }

  function judge(
    request: Request,
    target: string,
    accessKeyId: string | undefined,
    origin: string,
  ): Response {
    if (!request.headers.has("authorization")) {
      return refusal("MissingAuthenticationTokenException", {
        status: 400,
        message: "Missing Authentication Token",
      });
    }
    if (accessKeyId === undefined) {
      return refusal("IncompleteSignatureException", {
        status: 400,
        message: "Authorization header is malformed",
      });
    }
    if (request.method !== "POST" || target !== TARGET) {
      return refusal("UnknownOperationException", { status: 400, message: "" });
    }
    const token = tokens.issue();
    return amazonJson(200, {
      authorizationData: [
        {
          authorizationToken: Buffer.from(`AWS:${token.password}`).toString("base64"),
          expiresAt: (token.expiresAt + (options.reportedOffset ?? 0)) / 1000,
          proxyEndpoint: options.proxyEndpoint ?? origin,
        },
      ],
    });
  }

  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    development: false,
    fetch: (request) => answer(request, new URL(request.url).origin),
  });
  const stop = () => server.stop(true);
  return {
    url: server.url.origin,
    tokens,
    calls,
    fail(kind, times = Number.POSITIVE_INFINITY) {
      failure = { kind, left: times };
    },
    recover() {
      failure = undefined;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function refusal(type: string, { status, message }: { status: number; message: string }): Response {
  return amazonJson(status, { __type: type, message });
}

function amazonJson(status: number, body: unknown): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { "Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": crypto.randomUUID() },
  });
}

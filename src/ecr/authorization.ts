import { z } from "zod";
import { DeployerError } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
import { fetchHandler } from "./fetch-handler.ts";

const CALL_DEADLINE_MS = 15_000;
const MAX_ATTEMPTS = 3;
const MAX_REASON_LENGTH = 300;

/** What `GetAuthorizationToken` gave. */
export type Authorization = {
  username: string;
  password: Secret;
  /** Milliseconds since the epoch, as told; it may lie in the past, some emulators do that. */
  expiresAt: number | undefined;
};

const output = z.object({
  authorizationData: z
    .array(z.object({ authorizationToken: z.string().min(1), expiresAt: z.date().optional() }))
    .min(1),
});

/**
 * Asks ECR for a token, with the credentials of the AWS SDK's default chain and within 15 seconds.
 * The SDK is loaded at the first call (20 MB) and honours the standard variables, `AWS_ENDPOINT_URL_ECR` among them.
 * Errors: `registry_denied` (no AWS credentials, or not allowed), `registry_unavailable` (everything else).
 */
export function createAuthorize(region: string, deadlineMs = CALL_DEADLINE_MS): () => Promise<Authorization> {
  return async () => {
    const deadline = AbortSignal.timeout(deadlineMs);
    const expired = new Promise<never>((_, reject) => {
      deadline.addEventListener("abort", () => reject(new Error(`no answer within ${deadlineMs / 1000} s`)), {
        once: true,
      });
    });
    try {
      // Not every step of the SDK's credential chain looks at the signal, so the deadline is raced as well.
      return await Promise.race([request(region, deadline), expired]);
    } catch (error) {
      throw loginFailure(error, region);
    }
  };
}

async function request(region: string, signal: AbortSignal): Promise<Authorization> {
  const { ECRClient, GetAuthorizationTokenCommand } = await import("@aws-sdk/client-ecr");
  const client = new ECRClient({ region, maxAttempts: MAX_ATTEMPTS, requestHandler: fetchHandler() });
  try {
    const answer = await client.send(new GetAuthorizationTokenCommand({}), { abortSignal: signal });
    return parse(answer);
  } finally {
    client.destroy();
  }
}

function parse(answer: unknown): Authorization {
  const parsed = output.safeParse(answer);
  const data = parsed.data?.authorizationData[0];
  if (data === undefined) throw new Error("ECR's answer holds no authorization token");
  const login = Buffer.from(data.authorizationToken, "base64").toString("utf8");
  const colon = login.indexOf(":");
  if (colon < 1 || colon === login.length - 1)
    throw new Error("ECR's authorization token is not user:password");
  return {
    username: login.slice(0, colon),
    password: new Secret(login.slice(colon + 1)),
    expiresAt: data.expiresAt?.getTime(),
  };
}

const awsError = z.object({
  name: z.string(),
  message: z.string(),
  $metadata: z.object({ httpStatusCode: z.number().optional() }).optional(),
});

function loginFailure(error: unknown, region: string): DeployerError {
  const parsed = awsError.safeParse(error);
  if (!parsed.success) return failure("registry_unavailable", region, "unknown error", error);
  const { name, message, $metadata: metadata } = parsed.data;
  // After the first line AWS may repeat the signed request, and with it the session token.
  const [firstLine = ""] = message.split("\n");
  const reason = [/^(?:Type)?Error$/.test(name) ? "" : name, firstLine.slice(0, MAX_REASON_LENGTH)]
    .filter(Boolean)
    .join(": ");
  if (/CredentialsProviderError|TokenProviderError/.test(name)) {
    return failure(
      "registry_denied",
      region,
      `no AWS credentials; give the instance a role that may read ECR (${reason})`,
      error,
    );
  }
  const status = metadata?.httpStatusCode ?? 0;
  const isRefusal =
    status >= 400 &&
    status < 500 &&
    status !== 408 &&
    status !== 429 &&
    !/Throttl|TooManyRequests/.test(name);
  return failure(isRefusal ? "registry_denied" : "registry_unavailable", region, reason, error);
}

function failure(
  code: "registry_denied" | "registry_unavailable",
  region: string,
  reason: string,
  cause: unknown,
): DeployerError {
  return new DeployerError(code, `no ECR token from ${region}: ${reason}`, { cause: stackOf(cause) });
}

/** Errors of the SDK carry the whole response with them; the log gets only where they came from. */
function stackOf(cause: unknown): string | undefined {
  return cause instanceof Error ? cause.stack?.split("\n").slice(1).join("\n") : undefined;
}

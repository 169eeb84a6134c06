import { expect, test } from "bun:test";

import { isRateLimit, registryFailure } from "./failures.ts";

const IMAGE = "123456789012.dkr.ecr.us-west-2.amazonaws.com/team/web:v2";
const URL_TEXT = "https://123456789012.dkr.ecr.us-west-2.amazonaws.com/v2/team/web/manifests/v2";

test.each([
  // dockerd 20.10 and later on graph drivers
  `Get "${URL_TEXT}": no basic auth credentials`,
  `Head "${URL_TEXT}": no basic auth credentials`,
  "unauthorized: authentication required",
  `Head "${URL_TEXT}": unauthorized: incorrect username or password`,
  "pull access denied for 123456789012.dkr.ecr.us-west-2.amazonaws.com/team/web, repository does not exist or may require 'docker login': denied: Your authorization token has expired. Reauthenticate and try again.",
  "denied: Your authorization token has expired. Reauthenticate and try again.",
  "denied: User: arn:aws:sts::123456789012:assumed-role/x/i-0 is not authorized to perform: ecr:BatchGetImage on resource: arn:aws:ecr:us-west-2:123456789012:repository/team/web because no identity-based policy allows the ecr:BatchGetImage action",
  "pull access denied for web, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
  'error parsing HTTP 403 response body: invalid character \'<\' looking for beginning of value: "<?xml version=\\"1.0\\"?><Error><Code>AccessDenied</Code></Error>"',
  "errors:\ndenied: requested access to the resource is denied\nunauthorized: authentication required\n",
  // containerd image store
  `failed to resolve reference "${IMAGE}": pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials`,
  `failed to resolve reference "${IMAGE}": unexpected status from HEAD request to ${URL_TEXT}: 403 Forbidden`,
  `failed to resolve reference "${IMAGE}": failed to authorize: failed to fetch oauth token: unexpected status from GET request to https://auth.docker.io/token: 401 Unauthorized`,
  "pull access denied for web, repository does not exist or may require 'docker login'",
])("denied: %s", (said) => {
  expect(registryFailure(IMAGE, said).code).toBe("registry_denied");
});

test.each([
  `manifest for ${IMAGE} not found: manifest unknown: Requested image not found`,
  "manifest unknown: manifest unknown",
  "repository 123456789012.dkr.ecr.us-west-2.amazonaws.com/team/web not found: name unknown: The repository with name 'team/web' does not exist in the registry with id '123456789012'",
  "name unknown: repository name not known to registry",
  `failed to resolve reference "${IMAGE}": ${IMAGE}: not found`,
  `failed to resolve reference "${IMAGE}": unexpected status from GET request to ${URL_TEXT}: 404 Not Found`,
  "unknown: 404 page not found",
])("not found: %s", (said) => {
  expect(registryFailure(IMAGE, said).code).toBe("image_not_found");
});

test.each([
  'Get "https://r.example/v2/": dial tcp 10.0.0.1:443: connect: connection refused',
  'Get "https://r.example/v2/": dial tcp: lookup r.example on 127.0.0.53:53: no such host',
  'Get "https://r.example/v2/": dial tcp: lookup r.example: not found',
  'Get "https://r.example/v2/": net/http: TLS handshake timeout',
  'Get "https://r.example/v2/": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)',
  'Get "https://r.example/v2/": x509: certificate signed by unknown authority',
  'Get "https://r.example/v2/": http: server gave HTTP response to HTTPS client',
  `Get "${URL_TEXT}": EOF`,
  "unexpected EOF",
  "EOF",
  "read tcp 10.0.0.2:40000->10.0.0.1:443: read: connection reset by peer",
  "received unexpected HTTP status: 500 Internal Server Error",
  "received unexpected HTTP status: 503 Service Unavailable",
  `failed to resolve reference "${IMAGE}": unexpected status from HEAD request to ${URL_TEXT}: 502 Bad Gateway`,
  `failed to resolve reference "${IMAGE}": failed to do request: Head "${URL_TEXT}": dial tcp 10.0.0.1:443: i/o timeout`,
  "failed to copy: httpReadSeeker: failed open: failed to do request: context deadline exceeded",
  "short read: expected 1048576 bytes but got 32768: unexpected EOF",
  "filesystem layer verification failed for digest sha256:0123abcd",
  'Get "https://r.example/v2/": a failure nobody has seen before',
])("unavailable: %s", (said) => {
  const failure = registryFailure(IMAGE, said);
  expect(failure.code).toBe("registry_unavailable");
  expect(isRateLimit(failure)).toBe(false);
});

test.each([
  "toomanyrequests: You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit",
  "toomanyrequests: Rate exceeded",
  `failed to resolve reference "${IMAGE}": unexpected status from HEAD request to ${URL_TEXT}: 429 Too Many Requests`,
])("unavailable for being asked too often: %s", (said) => {
  const failure = registryFailure(IMAGE, said);
  expect(failure.code).toBe("registry_unavailable");
  expect(isRateLimit(failure)).toBe(true);
});

test.each([
  "open /var/lib/docker/tmp/GetImageBlob1: permission denied",
  "invalid reference format",
  "a failure nobody has seen before",
])("the host's own trouble: %s", (said) => {
  expect(registryFailure(IMAGE, said).code).toBe("docker");
});

test.each([
  "no matching manifest for linux/arm64/v8 in the manifest list entries",
  "no matching manifest for linux/arm64 in the manifest list entries: no match for platform in manifest: not found",
  `failed to resolve reference "${IMAGE}": no match for platform in manifest sha256:${"0".repeat(64)}: not found`,
  'image operating system "windows" cannot be used on this platform: operating system is not supported',
])("not for this host: %s", (said) => {
  expect(registryFailure(IMAGE, said).code).toBe("wrong_platform");
});

test("an image for other platforms only: the platform to build for is named", () => {
  const said = "no matching manifest for linux/arm64/v8 in the manifest list entries";
  expect(registryFailure("web:v2", said).message).toBe(
    `web:v2 is not for this host: ${said}; build it with --platform linux/arm64/v8`,
  );
  expect(registryFailure("web:v2", "no match for platform in manifest: not found").message).toEndWith(
    "; build it for this host's platform",
  );
});

test.each([
  "failed to register layer: write /usr/lib/x: no space left on device",
  "failed to register layer: Error processing tar file(exit status 1): write /lib/x: no space left on device",
  "write /var/lib/docker/tmp/GetImageBlob123456789: no space left on device",
  "failed to extract layer sha256:abc: mount callback failed on /tmp/containerd-mount1: write /tmp/containerd-mount1/x: no space left on device: unknown",
  "write /var/lib/docker/tmp/GetImageBlob1: disk quota exceeded",
])("the disk is full: %s", (said) => {
  const failure = registryFailure(IMAGE, said);
  expect(failure.code).toBe("disk_full");
  expect(failure.message).toContain("docker system df");
});

test.each([
  [
    "r.example/unauthorized/eof:v404",
    "manifest for r.example/unauthorized/eof:v404 not found: manifest unknown",
    "image_not_found",
  ],
  [
    "r.example/team/not-found:500",
    'Head "https://r.example/v2/team/not-found/manifests/500": no basic auth credentials',
    "registry_denied",
  ],
  ["r.example/denied:1", 'Get "https://r.example/v2/denied/manifests/1": EOF', "registry_unavailable"],
])("the words in the name of %s decide nothing", (image, said, code) => {
  expect(registryFailure(image, said).code).toBe(code as never);
});

test("the message names the registry, the image and what was said, on one line", () => {
  expect(registryFailure("r.example:5000/web:v2", "denied:\n  \u001b[31mno\u001b[0m entry").message).toBe(
    "registry r.example:5000 refused access to r.example:5000/web:v2: denied: [31mno [0m entry",
  );
  expect(registryFailure("web:v2", "").message).toBe("Docker could not fetch web:v2: no reason given");
});

test("a signed download address loses its signature, and an address its password", () => {
  const { message } = registryFailure(
    IMAGE,
    'Get "https://bucket.s3.amazonaws.com/layer?X-Amz-Security-Token=s3cret&X-Amz-Signature=s1gned": EOF via http://user:s3cret@proxy:3128',
  );
  expect(message).toContain('Get "https://bucket.s3.amazonaws.com/layer?…": EOF via http://proxy:3128');
  expect(message).not.toContain("s3cret");
  expect(message).not.toContain("s1gned");
});

test("a page of HTML is cut short", () => {
  expect(registryFailure(IMAGE, `unknown: ${"<p>".repeat(10_000)}`).message.length).toBeLessThan(1_000);
});

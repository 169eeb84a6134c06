declare const BUILD_VERSION: string | undefined;
declare const BUILD_DATE: string | undefined;

/** `v1.2.3`; `dev` when run from source. */
export const VERSION = typeof BUILD_VERSION === "string" ? BUILD_VERSION : "dev";

/** RFC 3339, undefined when run from source. */
export const BUILT = typeof BUILD_DATE === "string" ? BUILD_DATE : undefined;

/**
 * The environment as we were given it: what configuration is read from and what Compose gets.
 * Imported first, because Bun reads its limit on concurrent requests once: with 256, the default, the next one waits silently.
 */
export const environment: Readonly<Record<string, string | undefined>> = { ...process.env };

process.env["BUN_CONFIG_MAX_HTTP_REQUESTS"] ??= "2000";

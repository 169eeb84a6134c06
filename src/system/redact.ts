const REDACTED = "[redacted]";

/** Fields whose value is never printed, whatever it is. */
const SECRET_KEY =
  /(?:authorization|password|passwd|secret|token|cookie|registry[-_]?auth|(?:private|access|api)[-_]?key)$/i;

/**
 * Every pattern begins only where a run of its characters begins, so that hostile text costs linear time.
 * The second one is for tokens whose header does not begin with `{"`: three long parts, the last as long as a signature.
 */
const SECRET_TEXT: readonly (readonly [RegExp, string])[] = [
  [/(?<![\w-])eyJ[\w-]*(?:\.[\w-]*){1,4}/g, REDACTED],
  [/(?<![\w-])[\w-]{8,}\.[\w-]{8,}\.[\w-]{80,}/g, REDACTED],
  [/\b(authorization|x-registry-auth)(["']?[ \t]*[:=][ \t]*["']?)[^\r\n"',]+/gi, `$1$2${REDACTED}`],
  [/\b(bearer)[ \t]+[^\s"',;]+/gi, `$1 ${REDACTED}`],
  [/\b(basic)[ \t]+(?!auth|credential)[^\s"',;]+/gi, `$1 ${REDACTED}`],
  [/(:\/\/)[^\s/@:]*:[^\s/@]*@/g, `$1${REDACTED}@`],
  [/-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,20}PRIVATE KEY-----|$)/g, REDACTED],
];

/** Belt and braces: nothing secret should reach the log, and what does all the same is not printed. */
export function redactText(text: string): string {
  return SECRET_TEXT.reduce((result, [pattern, replacement]) => result.replace(pattern, replacement), text);
}

export function isSecretKey(key: string): boolean {
  return SECRET_KEY.test(key);
}

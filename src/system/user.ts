/** Who runs this process; asked so that a user without an entry in /etc/passwd is no error. */
export function currentUser(env: Readonly<Record<string, string | undefined>>): {
  uid: number;
  gid: number;
  home: string;
} {
  return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, home: env["HOME"] ?? "" };
}

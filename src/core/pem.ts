const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** The certificates of a PEM text (RFC 7468), each as its own PEM, unread; what stands between them is left out. */
export function certificatesOf(text: string): string[] {
  return text.match(CERTIFICATE) ?? [];
}

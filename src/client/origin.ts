/** Why a text is not the address of a daemon: no URL of HTTP, one with a user or password, or one with more than host and port. */
export type WrongOrigin = "not http" | "user" | "path";

/** What is bound to a request is its target as the daemon sees it, so there is no place for a path of somebody between. */
export function readOrigin(text: string): { url: URL } | { url: URL | null; wrong: WrongOrigin } {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:"))
    return { url, wrong: "not http" };
  if (url.username !== "" || url.password !== "") return { url, wrong: "user" };
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "") return { url, wrong: "path" };
  return { url };
}

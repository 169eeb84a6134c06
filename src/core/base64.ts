/** Standard alphabet, padding required, as Go's base64.StdEncoding: the original's decoder. */
export const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

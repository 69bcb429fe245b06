/** What can be sent: nested hashes and lists of scalars. */
export type Param = string | number | boolean | null | undefined | Param[] | { [key: string]: Param };
export type Params = { [key: string]: Param };

/** Encodes like a form: `a[b]=1`, `a[0]=2`; null and undefined are left out. */
export function encode(params: Params): string {
  const pairs: string[] = [];
  const add = (name: string, value: Param): void => {
    if (value === null || value === undefined) return;
    if (Array.isArray(value)) {
      value.forEach((v, i) => add(`${name}[${i}]`, v));
    } else if (typeof value === "object") {
      Object.keys(value).forEach((k) => add(`${name}[${k}]`, value[k]));
    } else {
      pairs.push(`${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`);
    }
  };
  Object.keys(params).forEach((k) => add(k, params[k]));
  return pairs.join("&");
}

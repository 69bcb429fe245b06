/** Makes an element. Attributes that are functions are handlers; text is never markup. */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: { [name: string]: any } = {}, ...children: (Node | string | null | undefined)[]): HTMLElementTagNameMap[K] {
  const e = document.createElement(tag);
  Object.keys(attributes).forEach((name) => {
    const v = attributes[name];
    if (v === undefined || v === null || v === false) return;
    if (typeof v === "function") e.addEventListener(name.slice(2), v);
    else e.setAttribute(name, v === true ? "" : String(v));
  });
  children.forEach((c) => c !== null && c !== undefined && e.append(c));
  return e;
}

const svgns = "http://www.w3.org/2000/svg";

/** Makes a drawing out of shapes: [tag, attributes, text?]. */
export function svg(box: string, shapes: [string, { [name: string]: string | number }, string?][], attributes: { [name: string]: string } = {}): SVGSVGElement {
  const root = document.createElementNS(svgns, "svg");
  root.setAttribute("viewBox", box);
  root.setAttribute("aria-hidden", "true");
  root.setAttribute("focusable", "false");
  Object.keys(attributes).forEach((k) => root.setAttribute(k, attributes[k]));
  shapes.forEach(([tag, attrs, text]) => {
    const s = document.createElementNS(svgns, tag);
    Object.keys(attrs).forEach((k) => s.setAttribute(k, String(attrs[k])));
    if (text) s.textContent = text;
    root.appendChild(s);
  });
  return root;
}

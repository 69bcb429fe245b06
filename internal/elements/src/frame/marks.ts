import { svg } from "./dom";

type Shape = [string, { [name: string]: string | number }, string?];

const plate = (fill: string, stroke = "none"): Shape => ["rect", { x: 0.5, y: 0.5, width: 31, height: 21, rx: 4, fill, stroke }];

const word = (text: string, fill: string, size = 9): Shape => [
  "text",
  { x: 16, y: 11.2 + size * 0.34, "text-anchor": "middle", "font-family": "Arial, Helvetica, sans-serif", "font-weight": 700, "font-size": size, fill },
  text,
];

/** Our own drawings: a plate with a sign or a word, so that no one's artwork is copied. */
const drawings: { [name: string]: Shape[] } = {
  card: [plate("#eef1f6", "#c3cad6"), ["rect", { x: 0.5, y: 5, width: 31, height: 4.5, fill: "#56627a" }], ["rect", { x: 4, y: 14, width: 9, height: 2.6, rx: 1.3, fill: "#8d98ab" }]],
  alipay: [
    plate("#1a6fe0"),
    ["path", { d: "M9 6.5h14M16 4v5M11 10h10c-1.2 3.4-4.6 6.4-9.5 6.4-2 0-3-1-3-2.1 0-1.2 1.1-2 2.6-2 2.8 0 6.2 2 11.4 4.4", fill: "none", stroke: "#fff", "stroke-width": 1.7, "stroke-linecap": "round" }],
  ],
  alma: [
    plate("#fa5022"),
    ["path", { d: "M10 16c1.8 0 2.6-2.6 3.4-5.6C14.2 7.6 14.8 6 16 6s1.8 1.6 2.6 4.400C19.4 13.4 20.2 16 22 16M12.6 13.200h6.8", fill: "none", stroke: "#fff", "stroke-width": 1.9, "stroke-linecap": "round" }],
  ],
  visa: [plate("#1b2f8a"), word("VISA", "#fff", 8.5)],
  mastercard: [plate("#20242c"), ["circle", { cx: 13, cy: 11, r: 6, fill: "#e3413a" }], ["circle", { cx: 19, cy: 11, r: 6, fill: "#f2a83b", "fill-opacity": 0.85 }]],
  amex: [plate("#1f72c4"), word("AMEX", "#fff", 8)],
  discover: [plate("#fff", "#c3cad6"), word("DISC", "#333a46", 8), ["circle", { cx: 27, cy: 17, r: 3, fill: "#e8842c" }]],
  diners: [plate("#fff", "#c3cad6"), ["circle", { cx: 16, cy: 11, r: 7, fill: "#2a6ea8" }], ["path", { d: "M14 6.500v9M18 6.500v9", stroke: "#fff", "stroke-width": 1.5 }]],
  jcb: [plate("#fff", "#c3cad6"), ["rect", { x: 7, y: 4, width: 5.5, height: 14, rx: 2, fill: "#2a6ea8" }], ["rect", { x: 13.2, y: 4, width: 5.5, height: 14, rx: 2, fill: "#c93545" }], ["rect", { x: 19.5, y: 4, width: 5.5, height: 14, rx: 2, fill: "#3d9a55" }]],
  unionpay: [plate("#1c6a8c"), ["path", { d: "M6 1h7l-3 20H4z", fill: "#d3343f" }], word("UP", "#fff", 8)],
  wechat_pay: [plate("#1fae5b"), ["ellipse", { cx: 13.5, cy: 9.8, rx: 6, ry: 5, fill: "#fff" }], ["ellipse", { cx: 20, cy: 13.2, rx: 4.8, ry: 4, fill: "#d8f3e3" }]],
  ideal: [plate("#fff", "#c3cad6"), ["path", { d: "M9 4h8a7 7 0 0 1 0 14H9z", fill: "none", stroke: "#c21f78", "stroke-width": 1.8 }], ["circle", { cx: 13, cy: 8.5, r: 1.8, fill: "#333a46" }]],
  klarna: [plate("#f6b8cb"), word("k.", "#1c1c22", 13)],
  sepa_debit: [plate("#1c4aa0"), word("SEPA", "#f4cf3c", 8)],
  bancontact: [plate("#fff", "#c3cad6"), ["path", { d: "M5 14c6 0 8-6 12-6h10", fill: "none", stroke: "#1f5fa8", "stroke-width": 2.5 }], ["path", { d: "M5 17c8 0 10-6 14-6h8", fill: "none", stroke: "#f0b429", "stroke-width": 2 }]],
  paypal: [plate("#f4f7fb", "#c3cad6"), word("P", "#1f3f8f", 14)],
  link: [plate("#12b886"), word("link", "#06332a", 9)],
};

const colours = ["#3b5bdb", "#0b7285", "#5f3dc4", "#a61e4d", "#2b8a3e", "#a65a00", "#364fc7", "#862e9c"];

/** A method's or brand's mark; one that has no drawing gets its initial on a colour of its own. */
export function mark(name: string, label = name): SVGSVGElement {
  const own = drawings[name];
  if (own) return svg("0 0 32 22", own);
  let sum = 0;
  for (let i = 0; i < name.length; i++) sum = (sum * 31 + name.charCodeAt(i)) % 9973;
  return svg("0 0 32 22", [plate(colours[sum % colours.length]), word(label.charAt(0).toUpperCase(), "#fff", 12)]);
}

/** A window with an arrow out of it. */
export const leaving = (): SVGSVGElement =>
  svg("0 0 48 38", [
    ["rect", { x: 1, y: 1, width: 34, height: 27, rx: 3, fill: "none", stroke: "currentColor", "stroke-width": 1.5 }],
    ["path", { d: "M1 8h34M5 4.600h.1M8.5 4.600h.1M12 4.600h.1", stroke: "currentColor", "stroke-width": 1.5, "stroke-linecap": "round" }],
    ["path", { d: "M20 20h25m-7-7 7 7-7 7", fill: "none", stroke: "currentColor", "stroke-width": 2, "stroke-linecap": "round", "stroke-linejoin": "round" }],
  ]);

export const warning = (): SVGSVGElement =>
  svg("0 0 18 18", [
    ["circle", { cx: 9, cy: 9, r: 8, fill: "none", stroke: "currentColor", "stroke-width": 1.5 }],
    ["path", { d: "M9 4.500v5.500M9 13h.01", stroke: "currentColor", "stroke-width": 1.8, "stroke-linecap": "round" }],
  ]);

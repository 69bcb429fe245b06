const themes = ["stripe", "night", "flat", "none"];

/** Names of older releases and what they are called now. */
function current(name: string): string {
  return name
    .replace(/^spacingGrid(Row|Column)$/, (_, w) => `grid${w}Spacing`)
    .replace(/^spacingTab$/, "tabSpacing")
    .replace(/^spacingAccordionItem$/, "accordionItemSpacing")
    .replace(/^colorIconTab(.*)$/, "tabIcon$1Color")
    .replace(/^colorIcon(.*)$/, "icon$1Color")
    .replace(/^colorLogoTab(.*)$/, "tabLogo$1Color")
    .replace(/^colorLogo(.*)$/, "logo$1Color")
    .replace(/^(\w+)ColorColor$/, "$1Color");
}

const classNames = [
  "Tab", "TabIcon", "TabLabel", "Input", "Label", "Error", "Block", "AccordionItem", "RadioIcon", "RadioIconOuter", "RadioIconInner", "CheckboxInput",
  "CheckboxLabel", "PickerItem", "Switch", "RedirectText", "TermsText", "TermsLink", "Text", "Link", "Action", "Menu", "MenuIcon", "MenuAction",
  "CodeInput", "Dropdown", "DropdownItem", "Checkbox", "Spacing",
];
const selector = new RegExp(`^\\.(${classNames.join("|")})(--[a-zA-Z]+)?((:{1,2}(hover|focus|focus-visible|active|disabled|autofill|-webkit-autofill|placeholder|selection|first-child|last-child)))*$`);
const properties =
  /^(-?(webkit|moz)[A-Z]\w*|accentColor|backdropFilter|background(Color)?|border\w*|boxShadow|color|columnGap|cursor|display|fill|fillOpacity|filter|flex\w*|font\w*|gap|height|letterSpacing|lineHeight|margin\w*|max(Height|Width)|min(Height|Width)|opacity|outline\w*|padding\w*|rowGap|stroke\w*|text\w*|transform|transition\w*|verticalAlign|visibility|whiteSpace|width)$/;

const dangerous = /url\s*\(|expression|@|;|\}|\{|\\|<|javascript:/i;

const dashed = (name: string): string => name.replace(/^(Webkit|webkit|Moz|moz)/, (v) => "-" + v.toLowerCase()).replace(/[A-Z]/g, (c) => "-" + c.toLowerCase());

let sheet: CSSStyleSheet | undefined;
let applied: string[] = [];
const fontsSeen: { [source: string]: boolean } = {};

function complain(text: string): void {
  console.warn(`[ducat] appearance: ${text}`);
}

/** Puts rules in place of those that were applied before. */
function use(rules: string[]): void {
  if (!sheet && "adoptedStyleSheets" in document) {
    sheet = new CSSStyleSheet();
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  }
  sheet?.replaceSync(rules.join("\n"));
}

/** Applies what a merchant chose. What is not understood is left out, and said. */
export function applyAppearance(appearance: any): void {
  const a = appearance || {};
  const root = document.documentElement;
  root.dataset.theme = themes.indexOf(a.theme) >= 0 ? a.theme : "stripe";
  root.dataset.labels = a.labels === "floating" ? "floating" : "above";
  root.dataset.inputs = a.inputs === "condensed" ? "condensed" : "spaced";
  root.toggleAttribute("data-still", !!a.disableAnimations);
  applied.forEach((name) => root.style.removeProperty(name));
  applied = [];
  const variables = a.variables || {};
  Object.keys(variables).forEach((given) => {
    const value = String(variables[given]);
    if (!/^[a-zA-Z0-9]+$/.test(given) || dangerous.test(value)) return complain(`the variable ${given} is ignored`);
    const name = `--${current(given)}`;
    root.style.setProperty(name, value);
    applied.push(name);
  });
  const rules: string[] = [];
  const given = a.rules || {};
  Object.keys(given).forEach((selectors) => {
    const good = selectors.split(",").map((s) => s.trim()).filter((s) => {
      const ok = selector.test(s);
      if (!ok) complain(`the selector ${s} is ignored`);
      return ok;
    });
    const body = declarations(given[selectors]);
    if (good.length && body) rules.push(`${good.join(",")}{${body}}`);
  });
  use(rules);
}

function declarations(styles: any): string {
  if (!styles || typeof styles !== "object") return "";
  return Object.keys(styles)
    .map((name) => {
      const value = String(styles[name]);
      if (!properties.test(name) || dangerous.test(value)) {
        complain(`the property ${name} is ignored`);
        return "";
      }
      return `${dashed(name)}:${value}`;
    })
    .filter(Boolean)
    .join(";");
}

/** Loads a merchant's fonts. */
export function applyFonts(fonts: any[]): void {
  for (const f of fonts || []) {
    const source = f?.cssSrc || f?.src;
    if (typeof source !== "string" || fontsSeen[source]) continue;
    fontsSeen[source] = true;
    if (f.cssSrc) {
      if (!/^https:/.test(source)) continue;
      const link = document.createElement("link");
      link.rel = "stylesheet";
      link.href = source;
      document.head.appendChild(link);
    } else if (typeof f.family === "string") {
      const face = new FontFace(f.family, source, {
        style: f.style || "normal", weight: String(f.weight || "normal"), unicodeRange: f.unicodeRange || "U+0-10FFFF", display: f.display || "auto",
      });
      document.fonts.add(face);
      face.load().catch(() => complain(`the font ${f.family} could not be loaded`));
    }
  }
}

const fieldStates: { [state: string]: string } = { base: "", complete: ".is-complete", empty: ".is-empty", invalid: ".is-invalid" };
const fieldPseudos = [":hover", ":focus", "::placeholder", "::selection", ":-webkit-autofill", ":disabled", "::-ms-clear"];

/** The `style` option of the single-field Elements. */
export function applyFieldStyle(style: any): void {
  const rules: string[] = [];
  Object.keys(style || {}).forEach((state) => {
    if (!(state in fieldStates)) return complain(`the style ${state} is ignored`);
    const { plain, nested } = split(style[state]);
    const at = `.Bare${fieldStates[state]}`;
    const body = declarations(plain);
    if (body) rules.push(`${at}{${body}}`);
    Object.keys(nested).forEach((pseudo) => {
      const inner = declarations(nested[pseudo]);
      if (inner && pseudo !== "::-ms-clear") rules.push(`${at}${pseudo}{${inner}}`);
    });
  });
  use(rules);
}

function split(styles: any): { plain: any; nested: any } {
  const plain: any = {};
  const nested: any = {};
  Object.keys(styles || {}).forEach((k) => {
    if (fieldPseudos.indexOf(k) >= 0) nested[k] = styles[k];
    else if (k !== "iconColor") plain[k] = styles[k];
  });
  return { plain, nested };
}

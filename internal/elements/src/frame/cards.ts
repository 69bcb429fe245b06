import type { Key } from "./texts";

/** Brands by the digits their numbers begin with, the most telling first. */
const brands: { name: string; starts: RegExp; lengths: number[]; gaps: number[]; cvc: number }[] = [
  { name: "amex", starts: /^3[47]/, lengths: [15], gaps: [4, 10], cvc: 4 },
  { name: "diners", starts: /^(30[0-5]|3095|36|38|39)/, lengths: [14, 16], gaps: [4, 10], cvc: 3 },
  { name: "jcb", starts: /^35(2[89]|[3-8])/, lengths: [16], gaps: [4, 8, 12], cvc: 3 },
  { name: "discover", starts: /^(6011|64[4-9]|65)/, lengths: [16], gaps: [4, 8, 12], cvc: 3 },
  { name: "unionpay", starts: /^(62|81)/, lengths: [16, 17, 18, 19], gaps: [4, 8, 12, 16], cvc: 3 },
  { name: "mastercard", starts: /^(5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, lengths: [16], gaps: [4, 8, 12], cvc: 3 },
  { name: "visa", starts: /^4/, lengths: [16], gaps: [4, 8, 12], cvc: 3 },
];

const unknown = { name: "unknown", starts: /^/, lengths: [16], gaps: [4, 8, 12], cvc: 3 };

export const digits = (text: string): string => text.replace(/\D/g, "");

const kindOf = (number: string) => brands.filter((b) => b.starts.test(digits(number)))[0] || unknown;

export const brandOf = (number: string): string => kindOf(number).name;

export const cvcLength = (number: string): number => kindOf(number).cvc;

/** Groups the digits as they are printed on the card. */
export function formatNumber(text: string): string {
  const kind = kindOf(text);
  const all = digits(text).slice(0, Math.max(...kind.lengths));
  let out = "";
  for (let i = 0; i < all.length; i++) out += (kind.gaps.indexOf(i) >= 0 && i > 0 ? " " : "") + all[i];
  return out;
}

function luhn(number: string): boolean {
  let sum = 0;
  for (let i = 0; i < number.length; i++) {
    let d = Number(number[number.length - 1 - i]);
    if (i % 2 === 1) d = d > 4 ? d * 2 - 9 : d * 2;
    sum += d;
  }
  return sum % 10 === 0;
}

export function checkNumber(text: string): Key | undefined {
  const number = digits(text);
  const kind = kindOf(number);
  if (number.length < Math.min(...kind.lengths)) return "incomplete_number";
  return kind.lengths.indexOf(number.length) >= 0 && luhn(number) ? undefined : "invalid_number";
}

/** Accepts 1233, 12/33, 12 / 2033 and typing one key after the other. */
export function formatExpiry(text: string): string {
  let all = digits(text);
  if (/^[2-9]/.test(all) || /^1\s*\//.test(text)) all = "0" + all;
  const year = all.slice(2);
  const short = year.length === 4 && /^20/.test(year) ? year.slice(2) : year.slice(0, year.length > 2 && /^20/.test(year) ? 4 : 2);
  return all.length > 2 || (all.length === 2 && /\/\s*$/.test(text)) ? `${all.slice(0, 2)} / ${short}` : all;
}

export function expiry(text: string): { month: number; year: number } {
  const all = digits(text);
  return { month: Number(all.slice(0, 2)), year: 2000 + Number(all.slice(2, 4)) };
}

export function checkExpiry(text: string, now = new Date()): Key | undefined {
  const all = digits(text);
  if (all.length >= 2 && (Number(all.slice(0, 2)) < 1 || Number(all.slice(0, 2)) > 12)) return "invalid_expiry_month";
  if (all.length < 4) return "incomplete_expiry";
  const e = expiry(text);
  if (e.year < now.getFullYear()) return "invalid_expiry_year_past";
  if (e.year === now.getFullYear() && e.month < now.getMonth() + 1) return "invalid_expiry_month_past";
  return e.year > now.getFullYear() + 50 ? "invalid_expiry_year" : undefined;
}

export const formatCvc = (text: string, number: string): string => digits(text).slice(0, number ? cvcLength(number) : 4);

export const checkCvc = (text: string, number: string): Key | undefined => (digits(text).length < cvcLength(number) ? "incomplete_cvc" : undefined);

/** Countries whose card issuers compare the postal code. */
export const wantsPostal = (country: string): boolean => ["US", "GB", "CA", "PR"].indexOf(country) >= 0;

export function checkPostal(text: string, country: string): Key | undefined {
  const least = country === "US" || country === "PR" ? 5 : 3;
  return text.replace(/\s/g, "").length < least ? "incomplete_zip" : undefined;
}

export function checkEmail(text: string): Key | undefined {
  const s = text.trim();
  if (s === "" || !/@/.test(s) || /@$/.test(s)) return "incomplete_email";
  return /^[^\s@]+@[^\s@.]+(\.[^\s@.]+)+$/.test(s) ? undefined : "invalid_email";
}

const ibanLengths: { [country: string]: number } = {
  AD: 24, AT: 20, BE: 16, BG: 22, CH: 21, CY: 28, CZ: 24, DE: 22, DK: 18, EE: 20, ES: 24, FI: 18, FR: 27, GB: 22, GI: 23, GR: 27, HR: 21, HU: 28,
  IE: 22, IS: 26, IT: 27, LI: 21, LT: 20, LU: 20, LV: 21, MC: 27, MT: 31, NL: 18, NO: 15, PL: 28, PT: 25, RO: 24, SE: 24, SI: 19, SK: 24, SM: 27, VA: 22,
};

export const formatIban = (text: string): string =>
  text.toUpperCase().replace(/[^A-Z0-9]/g, "").slice(0, 34).replace(/(.{4})(?=.)/g, "$1 ");

export function checkIban(text: string): Key | undefined {
  const s = text.replace(/\s/g, "");
  const country = s.slice(0, 2);
  if (s.length < 2) return "incomplete_iban";
  const length = ibanLengths[country];
  if (!length) return "invalid_iban";
  if (s.length < length) return "incomplete_iban";
  if (s.length > length) return "invalid_iban";
  let rest = 0;
  for (const c of s.slice(4) + s.slice(0, 4)) {
    for (const d of /[A-Z]/.test(c) ? String(c.charCodeAt(0) - 55) : c) rest = (rest * 10 + Number(d)) % 97;
  }
  return rest === 1 ? undefined : "invalid_iban";
}

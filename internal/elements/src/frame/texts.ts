/** What customers read. English and Chinese are complete; other languages fall back to English. */
const en = {
  card: "Card", alipay: "Alipay", alma: "Alma",
  choose: "Payment method", more: "More", less: "Less",
  number: "Card number", expiry: "Expiration date", cvc: "Security code", country: "Country", postal: "Postal code", zip: "ZIP",
  cvcPlaceholder: "CVC", expiryPlaceholder: "MM / YY",
  name: "Full name", email: "Email", phone: "Phone number", line1: "Address line 1", line2: "Address line 2", city: "City", state: "State or province",
  optional: "optional",
  redirect: "After you submit the form, you will be taken to {method} to finish your purchase.",
  redirectName: "After submission, you will be redirected to securely complete next steps.",
  agree: "By confirming your payment with {method}, you allow {business} to charge you for future payments in accordance with their terms.",
  agreeCard: "By providing your card information, you allow {business} to charge your card for future payments in accordance with their terms.",
  merchant: "the merchant",
  selectBank: "Select bank", iban: "IBAN", bsb: "BSB", account: "Account number",
  choosePlease: "Please choose a payment method.",
  complete: "Please complete your payment details.",
  incomplete_number: "Your card number is incomplete.", invalid_number: "Your card number is invalid.",
  incomplete_expiry: "Your card's expiration date is incomplete.", invalid_expiry_month: "Your card's expiration date is invalid.",
  invalid_expiry_year: "Your card's expiration year is invalid.",
  invalid_expiry_month_past: "Your card's expiration date is in the past.", invalid_expiry_year_past: "Your card's expiration year is in the past.",
  incomplete_cvc: "Your card's security code is incomplete.", incomplete_zip: "Your postal code is incomplete.",
  incomplete_email: "Your email address is incomplete.", invalid_email: "Your email address is invalid.",
  incomplete_iban: "The IBAN you entered is incomplete.", invalid_iban: "The IBAN you entered is invalid.",
  incomplete_au_bank_account: "Your bank account details are incomplete.", incomplete_bank: "Please choose your bank.",
  incomplete_name: "Please enter your full name.", incomplete_phone: "Please enter your phone number.", incomplete_country: "Please choose a country.",
  incomplete_line1: "Please enter your address.", incomplete_city: "Please enter your city.", incomplete_state: "Please enter your state or province.",
  test_mode_live_card: "This is a test environment and no card is charged here. Use a test card number, such as 4242 4242 4242 4242.",
  payment_intent_authentication_failure: "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
  payment_intent_payment_attempt_expired: "The payment session has expired. Please choose a payment method and try again.",
  failed: "The payment did not go through. Please choose a payment method and try again.",
  close: "Cancel authentication", challenge: "Card authentication",
};

const zh: typeof en = {
  card: "银行卡", alipay: "支付宝", alma: "Alma",
  choose: "付款方式", more: "更多", less: "收起",
  number: "卡号", expiry: "有效期", cvc: "安全码", country: "国家或地区", postal: "邮政编码", zip: "邮政编码",
  cvcPlaceholder: "CVC", expiryPlaceholder: "月 / 年",
  name: "姓名", email: "电子邮箱", phone: "电话号码", line1: "地址第 1 行", line2: "地址第 2 行", city: "城市", state: "省/州",
  optional: "选填",
  redirect: "提交后，您将前往{method}完成付款。",
  redirectName: "提交后，您将跳转以安全地完成后续步骤。",
  agree: "使用{method}确认付款，即表示您允许{business}根据其条款在今后向您收款。",
  agreeCard: "提供银行卡信息，即表示您允许{business}根据其条款在今后从您的卡中扣款。",
  merchant: "商家",
  selectBank: "选择银行", iban: "IBAN", bsb: "BSB", account: "账号",
  choosePlease: "请选择付款方式。",
  complete: "请填写完整的付款信息。",
  incomplete_number: "卡号不完整。", invalid_number: "卡号无效。",
  incomplete_expiry: "有效期不完整。", invalid_expiry_month: "有效期无效。", invalid_expiry_year: "有效期年份无效。",
  invalid_expiry_month_past: "银行卡已过期。", invalid_expiry_year_past: "银行卡已过期。",
  incomplete_cvc: "安全码不完整。", incomplete_zip: "邮政编码不完整。",
  incomplete_email: "电子邮箱不完整。", invalid_email: "电子邮箱无效。",
  incomplete_iban: "IBAN 不完整。", invalid_iban: "IBAN 无效。",
  incomplete_au_bank_account: "银行账户信息不完整。", incomplete_bank: "请选择银行。",
  incomplete_name: "请输入姓名。", incomplete_phone: "请输入电话号码。", incomplete_country: "请选择国家或地区。",
  incomplete_line1: "请输入地址。", incomplete_city: "请输入城市。", incomplete_state: "请输入省/州。",
  test_mode_live_card: "这是测试环境，不会从任何卡扣款。请使用测试卡号，例如 4242 4242 4242 4242。",
  payment_intent_authentication_failure: "无法验证您的付款方式。请选择其他付款方式后重试。",
  payment_intent_payment_attempt_expired: "付款会话已过期。请选择付款方式后重试。",
  failed: "付款未成功。请选择付款方式后重试。",
  close: "取消验证", challenge: "银行卡验证",
};

export type Key = keyof typeof en;

let texts = en;
let language = "en";

export function setLocale(locale: string): void {
  language = locale;
  texts = /^zh\b/.test(locale) ? zh : en;
  document.documentElement.lang = texts === zh ? "zh" : "en";
  document.documentElement.dir = /^(ar|he)\b/.test(locale) && texts !== en ? "rtl" : "ltr";
}

export function t(key: Key, values: { [name: string]: string } = {}): string {
  return texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name] || "");
}

export const has = (key: string): key is Key => key in en;

const own: { [type: string]: string } = {
  acss_debit: "Pre-authorized debit", affirm: "Affirm", afterpay_clearpay: "Afterpay", amazon_pay: "Amazon Pay", au_becs_debit: "BECS Direct Debit",
  bacs_debit: "Bacs Direct Debit", bancontact: "Bancontact", billie: "Billie", blik: "BLIK", boleto: "Boleto", cashapp: "Cash App Pay",
  customer_balance: "Bank transfer", eps: "EPS", fpx: "FPX", giropay: "giropay", grabpay: "GrabPay", ideal: "iDEAL", klarna: "Klarna", konbini: "Konbini",
  kakao_pay: "Kakao Pay", link: "Link", mobilepay: "MobilePay", multibanco: "Multibanco", naver_pay: "Naver Pay", oxxo: "OXXO", p24: "Przelewy24",
  payco: "PAYCO", paynow: "PayNow", paypal: "PayPal", pay_by_bank: "Pay by bank", pix: "Pix", promptpay: "PromptPay", revolut_pay: "Revolut Pay",
  samsung_pay: "Samsung Pay", satispay: "Satispay", sepa_debit: "SEPA Direct Debit", sofort: "Sofort", swish: "Swish", twint: "TWINT",
  us_bank_account: "US bank account", wechat_pay: "WeChat Pay", zip: "Zip",
};

/** What a method is called. */
export function methodName(type: string): string {
  if (type === "card" || type === "alipay" || type === "alma") return t(type);
  return own[type] || type.split("_").map((w) => w.charAt(0).toUpperCase() + w.slice(1)).join(" ");
}

const codes =
  "AD AE AF AG AI AL AM AO AQ AR AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CD CF CG CH CI CK CL CM CN CO CR CV CW CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HN HR HT HU ID IE IL IM IN IO IQ IS IT JE JM JO JP KE KG KH KI KM KN KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MK ML MM MN MO MQ MR MS MT MU MV MW MX MY MZ NA NC NE NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PY QA RE RO RS RU RW SA SB SC SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SZ TA TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG US UY UZ VA VC VE VG VN VU WF WS XK YE YT ZA ZM ZW".split(" ");

/** Countries with their names in the customer's language, in its order. */
export function countries(only?: string[]): { code: string; name: string }[] {
  const names = new Intl.DisplayNames([texts === zh ? language : "en"], { type: "region" });
  return codes
    .filter((c) => !only || only.indexOf(c) >= 0)
    .map((code) => ({ code, name: names.of(code) || code }))
    .sort((a, b) => a.name.localeCompare(b.name, texts === zh ? language : "en"));
}

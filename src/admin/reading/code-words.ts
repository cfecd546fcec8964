/**
 * The words by which mail announces a code, in many languages, and those that say what else a number is. Words are
 * compared in lower case and without accents; scripts without blanks are searched for the words within.
 */

/** Letters that have no accent to take away. */
const plainLetters: Readonly<Record<string, string>> = {
  ł: "l",
  ø: "o",
  đ: "d",
  ð: "d",
  ß: "ss",
  æ: "ae",
  œ: "oe",
  ı: "i",
};

const words = (text: string): readonly string[] => text.trim().split(/\s+/);
const list = (text: string): readonly string[] => words(text).map(plainWord);
const set = (text: string): ReadonlySet<string> => new Set(list(text));

/** These mean a code, unless a neighbouring word says that it is another kind. */
export const codeNouns = set(`
  code codes passcode passcodes
  codigo codigos codice codici codul cod
  kode koden kod kodu kodem kodzie kody kodunuz kodun kodod koodi koodin koodisi koodinne
  код кода коду кодом коде коды κωδικος κωδικο
`);

/** These mean a code and nothing else. */
export const certainNouns = set(
  "otp totp passcode passcodes einmalpasswort einmalkennwort einmalpin mtan smstan pushtan",
);

/** These are short for a code, but only in capitals. */
export const capitalNouns: ReadonlySet<string> = new Set(words("PIN TAN OTP MTAN"));

/** These announce only what follows immediately, since every message about passwords has them. */
export const weakNouns = set(`
  password passwort kennwort token wachtwoord contrasena senha clave passe haslo hasla пароль пароля паролем
  parola sifre sifreniz heslo losenord passord adgangskode jelszo key
`);

/** Near a noun, these say that the code proves something. */
export const purposeStems = list(`
  verif confirm secur authent authori auth login logon signin sign log access activ onetime one single tempora provis provvis initial magic
  bestatig sicherheit einmal zugang zugriff anmeld prüf pruf freischalt aktivier zwei vorlauf
  segur acces inicio sesion unic inicial
  confirmac acesso ativa uso
  connexion usage valid
  sicurezza conferma accesso attivaz monouso
  bevestig tijdelijk beveilig toegang inlog eenmal activer aanmeld
  weryfik tymczas bezpiecz potwierdz aktyw jednoraz logowan dostep autoryz
  подтвержд временн провероч безопасн одноразов доступ вход актив авториз
  bekraft bekreft engang vahvist dogrula overov
`);

/** Right before or after a noun, these say that it is another kind of code. */
export const otherCodeStems = list(`
  promo referral discount coupon voucher gift postal post zip area country dial tracking order product item artic error status source
  qr bar tax bank sort swift bic dress reference booking reservation employee customer client http exit color colour conduct civil ethic practice freeze review
  sendung versand verfolg rabatt gutschein aktion fehler quell strich artikel bestell kunden
  descuento seguimiento pedido cliente producto reserva envio
  desconto rastre cep produto
  reduction remise suivi commande avantage barres parrain
  sconto fiscale ordine prenotaz
  korting cadeau bestel klant
  pocztow rabat promoc kreskow zamowien klient
  почтов город стран промо скид купон заказ клиент
`);

/** Words that end in `code` but do not mean a one-time code. */
export const falseCompounds = set(`
  decode encode unicode barcode barcodes qrcode opcode xcode vscode leetcode geocode transcode shortcode nocode lowcode
  postcode zipcode promocode promocodes postcodes sourcecode quellcode strichcode fehlercode rabattcode rabattcodes
  gutscheincode gutscheincodes aktionscode kortingscode kortingscodes actiecode cadeaucode promokod промокод промокода промокоду
  rabatkode rabattkod rabattkode episode mode
`);

/** A number right after one of these is an order number and the like, not a code. */
export const labelStems = list(`
  order invoice customer account ticket case reference tracking shipment parcel package receipt transaction booking reservation
  flight contract member serial sku article amount total subtotal price balance phone tel fax mobile hotline call extension zip
  vat iban bic registration licence license employee room gate seat build version card ending building suite exit errno
  bestell auftrag rechnung kunden konto vorgang referenz sendung paket beleg quittung transaktion buchung reservierung flug vertrag
  mitglied artikel betrag summe gesamt preis saldo telefon handy plz ust hrb steuer aktenzeichen zimmer postfach kundennr
  pedido factura cliente cuenta referencia seguimiento recibo transaccion reserva vuelo contrato importe telefono cif nif
  fatura conta recibo transacao voo valor telefone cnpj cpf nota rastreio encomenda
  commande facture compte colis recu vol contrat montant prix telephone siret siren dossier suivi reservation
  ordine fattura conto spedizione ricevuta transazione prenotazione volo contratto importo totale prezzo telefono partita
  bestelling factuur klant rekening zending pakket reservering vlucht bedrag totaal telefoon kvk btw
  zamowieni faktur klient konta przesylk paragon transakcj rezerwac lot umow kwota suma cena telefon nip regon krs
  индекс postleitzahl заказ счет клиент аккаунт посылк накладн трансакц транзакц бронирован рейс договор сумма итого цена телефон инн огрн
  siparis fatura musteri objednavk ordre tilaus
`);

/** After a purpose these announce a code: `verification number`. */
export const numberNouns = set("number nummer numero numer номер");

/** These may stand between a label and its number. */
export const numberWords = set(
  "no nr num numer number numbers nummer numero numeri номер n id ref code codes nos nro numr der de vom of is ist a ends with auf in",
);

/** Labels that count only as whole words. */
export const labelWords = set(
  "no nr number nummer numero номер numer id ref po rma iban tel fax plz cep cap zip ust vat",
);

/** After a number: what it counts. */
export const units = set(`
  eur usd gbp chf pln rub zl kr dkk sek nok jpy cny krw brl euro euros dollars points punkte puntos pontos punti punten
  pkt km kg mb gb kb kwh users nutzer people members mitglieder percent prozent руб рублей steps items results views
`);

/** These may stand between an announcement and its code. */
export const linkWords = set(`
  is are was be it this below here following the your for you now use enter
  ist lautet lauten ihr ihre dein der die das hier folgende
  es son su tu el la aqui e seu sua o a
  est sont voici votre ton le suivant
  il tuo suo il seguente
  uw je jouw de het
  to jest twoj
  ваш твой это
  sie usted num nyt er ar este
  unique verification
`);

/** Verbs such as `is`. */
export const copulas = set("is are was es ist lautet est e to jest este er ar on είναι это");

/** Before a number: an amount of money. */
export const currencyBefore =
  /(?:^|[^\p{L}])(?:EUR|USD|GBP|CHF|PLN|RUB|INR|Rs\.?|JPY|CNY|RMB|KRW|BRL|SEK|NOK|DKK|CZK|HUF|TRY|AUD|CAD|NZD|SGD|HKD|TWD|MXN|ZAR)[ \t]?$/u;

/** Verbs that ask the reader to type a code. */
export const enterWords = set(`
  enter use type input insert submit
  eingeben geben verwenden nutzen
  introduce ingresa usa utiliza digite insira saisissez entrez utilisez inserisci usa digita voer gebruik vul
  wpisz uzyj podaj введите используйте укажите
`);

/** Beginnings of months, to recognise the year after them. */
export const monthStems = list(`
  jan feb mar mär apr may mai jun jul aug sep oct okt out nov dec dez dic ene abr ago set fev avr gen mag giu lug ott
  янв фев март апр мая июн июл авг сент окт нояб дек stycz lut kwie maj czerw lip sierp wrze pazdz listop grud mei maart août aout
`);

export interface PhraseMark {
  readonly kind: "code" | "verb" | "label" | "unit";
  readonly strong: boolean;
}

const phrases: readonly (readonly [PhraseMark, string])[] = [
  [
    { kind: "code", strong: true },
    `验证码 驗證碼 校验码 校驗碼 动态码 動態碼 动态密码 安全码 安全碼 确认码 確認碼 一次性密码 一次性密碼 登录码 登錄碼 认证码 認證碼 激活码 啟用碼 授权码 识别码 短信密码 提取码
     認証コード 認証用コード 確認コード 確認用コード セキュリティコード セキュリティーコード ワンタイムパスワード ワンタイムコード 認証番号 確認番号 暗証番号 ログインコード 検証コード パスコード 認証キー
     인증번호 인증코드 확인코드 보안코드 로그인코드 일회용비밀번호 인증_번호 인증_코드 확인_코드 보안_코드 로그인_코드 일회용_비밀번호 일회용_코드 접속_코드
     ओटीपी סיסמה_חד קוד_אימות رمز_التحقق رمز_التأكيد รหัสยืนยัน รหัส_OTP mã_xác`,
  ],
  [{ kind: "code", strong: false }, "コード 코드 代码 口令 パスワード 비밀번호 密码 密碼 קוד رمز كود รหัส कोड"],
  [{ kind: "verb", strong: false }, "入力 输入 輸入 입력"],
  [
    { kind: "label", strong: true },
    `订单号 订单编号 訂單編號 訂單號碼 订单 訂單 运单号 快递单号 发票号 发票 电话 電話 金额 金額 合计 合計 总额 编号 編號 邮编 客服 热线 航班 卡号 尾号 账号 工号
     注文番号 ご注文番号 注文 請求書番号 請求書 お問い合わせ番号 問い合わせ番号 追跡番号 送り状番号 伝票番号 会員番号 お客様番号 顧客番号 予約番号 郵便番号 電話番号 ご請求額 受付番号 管理番号 〒
     주문번호 주문_번호 송장번호 송장_번호 운송장번호 운송장 청구서 고객번호 예약번호 예약_번호 전화 금액 합계 총액 우편번호 회원번호 사업자등록번호 고객센터 접수번호`,
  ],
  [{ kind: "unit", strong: true }, "元 円 원 万 年 月 日 号 년 월 일 點 点 ポイント 포인트 명 개 人 件 名 分钟 分鐘"],
];

const phraseMarks = new Map<string, PhraseMark>();
for (const [mark, names] of phrases)
  for (const word of words(names)) phraseMarks.set(word.replaceAll("_", " ").toLowerCase(), mark);
/** Longer ones first, so that 認証コード is not read as コード. */
const phrasePattern = new RegExp([...phraseMarks.keys()].toSorted((a, b) => b.length - a.length).join("|"), "giu");

/** Announcements and labels in scripts that do not separate words. */
export function* findPhrases(
  text: string,
): Generator<PhraseMark & { readonly start: number; readonly end: number; readonly text: string }> {
  for (const match of text.matchAll(phrasePattern)) {
    const mark = phraseMarks.get(match[0].toLowerCase());
    if (mark !== undefined) {
      yield { ...mark, start: match.index, end: match.index + match[0].length, text: match[0] };
    }
  }
}

/** Lower case, without accents. */
export function plainWord(word: string): string {
  const bare = word.normalize("NFD").replaceAll(/\p{M}/gu, "").toLowerCase();
  return bare.replaceAll(/[łøđðßæœı]/g, (letter) => plainLetters[letter] ?? letter);
}

export function hasStem(word: string, stems: readonly string[]): boolean {
  return stems.some((stem) => word.startsWith(stem));
}

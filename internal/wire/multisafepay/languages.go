package multisafepay

// languages are those of the payment page (reference §11), by the first part of
// a locale. The labels of the test platform stay English in all of them, so that
// browser tests find them.
var languages = map[string]*words{
	"en": english, "zh": chinese, "cn": chinese, "nl": dutch,
	"ar": {
		Tag: "ar", Dir: "rtl", PayTitle: "الدفع", PayTo: "الدفع إلى", Continue: "المتابعة باستخدام", Cancel: "إلغاء", Choose: "اختر طريقة الدفع", AllMethods: "طرق دفع أخرى",
		Back: "العودة إلى المتجر", Finished: "اكتملت عملية الدفع هذه", CloseNote: "يمكنك إغلاق هذه النافذة.", Over: "لم يعد من الممكن دفع هذا الطلب",
		OverNote: "انتهت صلاحية الرابط، أو تم دفع الطلب أو إلغاؤه.", NotFound: "الصفحة غير موجودة", CrossSite: "تم حظر هذا الطلب: لم يأتِ من صفحة الدفع.",
		BadForm: "لم يتم إرسال النموذج كما تتوقع هذه الصفحة.", Wrong: "حدث خطأ ما. حاول مرة أخرى بعد قليل.", TestMode: "وضع الاختبار", TestNote: "لا يتم تحويل أي أموال.",
	},
	"cs": {
		Tag: "cs", PayTitle: "Platba", PayTo: "Platba pro", Continue: "Pokračovat s", Cancel: "Zrušit", Choose: "Vyberte způsob platby", AllMethods: "Jiné způsoby platby",
		Back: "Zpět do obchodu", Finished: "Tato platba je dokončena", CloseNote: "Toto okno můžete zavřít.", Over: "Tuto objednávku již nelze zaplatit",
		OverNote: "Platnost odkazu vypršela, nebo byla objednávka zaplacena či zrušena.", NotFound: "Stránka nenalezena", CrossSite: "Požadavek byl zablokován: nepřišel z platební stránky.",
		BadForm: "Formulář nebyl odeslán tak, jak tato stránka očekává.", Wrong: "Něco se nezdařilo. Zkuste to za chvíli znovu.", TestMode: "Testovací režim", TestNote: "Nepřevádějí se žádné peníze.",
	},
	"da": {
		Tag: "da", PayTitle: "Betaling", PayTo: "Betal til", Continue: "Fortsæt med", Cancel: "Annuller", Choose: "Vælg en betalingsmetode", AllMethods: "Andre betalingsmetoder",
		Back: "Tilbage til butikken", Finished: "Denne betaling er afsluttet", CloseNote: "Du kan lukke dette vindue.", Over: "Denne ordre kan ikke længere betales",
		OverNote: "Linket er udløbet, eller ordren er betalt eller annulleret.", NotFound: "Siden blev ikke fundet", CrossSite: "Anmodningen blev blokeret: den kom ikke fra betalingssiden.",
		BadForm: "Formularen blev ikke sendt, som denne side forventer.", Wrong: "Noget gik galt. Prøv igen om lidt.", TestMode: "Testtilstand", TestNote: "Der flyttes ingen penge.",
	},
	"de": {
		Tag: "de", PayTitle: "Zahlung", PayTo: "Zahlung an", Continue: "Weiter mit", Cancel: "Abbrechen", Choose: "Zahlungsart wählen", AllMethods: "Andere Zahlungsarten",
		Back: "Zurück zum Shop", Finished: "Diese Zahlung ist abgeschlossen", CloseNote: "Sie können dieses Fenster schließen.", Over: "Diese Bestellung kann nicht mehr bezahlt werden",
		OverNote: "Der Link ist abgelaufen, oder die Bestellung wurde bezahlt oder storniert.", NotFound: "Seite nicht gefunden",
		CrossSite: "Diese Anfrage wurde blockiert: Sie kam nicht von der Zahlungsseite.", BadForm: "Das Formular wurde nicht so gesendet, wie diese Seite es erwartet.",
		Wrong: "Etwas ist schiefgegangen. Versuchen Sie es gleich noch einmal.", TestMode: "Testmodus", TestNote: "Es fließt kein Geld.",
	},
	"es": {
		Tag: "es", PayTitle: "Pago", PayTo: "Pagar a", Continue: "Continuar con", Cancel: "Cancelar", Choose: "Elija un método de pago", AllMethods: "Otros métodos de pago",
		Back: "Volver a la tienda", Finished: "Este pago ha finalizado", CloseNote: "Puede cerrar esta ventana.", Over: "Este pedido ya no se puede pagar",
		OverNote: "El enlace ha caducado, o el pedido se ha pagado o cancelado.", NotFound: "Página no encontrada", CrossSite: "La solicitud se ha bloqueado: no procedía de la página de pago.",
		BadForm: "El formulario no se ha enviado como esta página espera.", Wrong: "Algo ha salido mal. Inténtelo de nuevo en un momento.", TestMode: "Modo de prueba", TestNote: "No se mueve dinero.",
	},
	"fi": {
		Tag: "fi", PayTitle: "Maksu", PayTo: "Maksun saaja", Continue: "Jatka:", Cancel: "Peruuta", Choose: "Valitse maksutapa", AllMethods: "Muut maksutavat",
		Back: "Takaisin kauppaan", Finished: "Tämä maksu on valmis", CloseNote: "Voit sulkea tämän ikkunan.", Over: "Tätä tilausta ei voi enää maksaa",
		OverNote: "Linkki on vanhentunut, tai tilaus on maksettu tai peruutettu.", NotFound: "Sivua ei löytynyt", CrossSite: "Pyyntö estettiin: se ei tullut maksusivulta.",
		BadForm: "Lomaketta ei lähetetty niin kuin tämä sivu odottaa.", Wrong: "Jokin meni vikaan. Yritä hetken kuluttua uudelleen.", TestMode: "Testitila", TestNote: "Rahaa ei siirry.",
	},
	"fr": {
		Tag: "fr", PayTitle: "Paiement", PayTo: "Payer à", Continue: "Continuer avec", Cancel: "Annuler", Choose: "Choisissez un moyen de paiement", AllMethods: "Autres moyens de paiement",
		Back: "Retour à la boutique", Finished: "Ce paiement est terminé", CloseNote: "Vous pouvez fermer cette fenêtre.", Over: "Cette commande ne peut plus être payée",
		OverNote: "Le lien a expiré, ou la commande a été payée ou annulée.", NotFound: "Page introuvable", CrossSite: "Cette requête a été bloquée : elle ne venait pas de la page de paiement.",
		BadForm: "Le formulaire n’a pas été envoyé comme cette page l’attend.", Wrong: "Une erreur est survenue. Réessayez dans un instant.", TestMode: "Mode test", TestNote: "Aucun argent n’est transféré.",
	},
	"he": {
		Tag: "he", Dir: "rtl", PayTitle: "תשלום", PayTo: "תשלום אל", Continue: "המשך עם", Cancel: "ביטול", Choose: "בחרו אמצעי תשלום", AllMethods: "אמצעי תשלום אחרים",
		Back: "חזרה לחנות", Finished: "התשלום הזה הסתיים", CloseNote: "אפשר לסגור את החלון הזה.", Over: "לא ניתן עוד לשלם עבור הזמנה זו",
		OverNote: "תוקף הקישור פג, או שההזמנה שולמה או בוטלה.", NotFound: "הדף לא נמצא", CrossSite: "הבקשה נחסמה: היא לא הגיעה מדף התשלום.",
		BadForm: "הטופס לא נשלח כפי שהדף מצפה.", Wrong: "משהו השתבש. נסו שוב עוד רגע.", TestMode: "מצב בדיקה", TestNote: "לא עובר כסף.",
	},
	"it": {
		Tag: "it", PayTitle: "Pagamento", PayTo: "Paga a", Continue: "Continua con", Cancel: "Annulla", Choose: "Scegli un metodo di pagamento", AllMethods: "Altri metodi di pagamento",
		Back: "Torna al negozio", Finished: "Questo pagamento è concluso", CloseNote: "Puoi chiudere questa finestra.", Over: "Questo ordine non può più essere pagato",
		OverNote: "Il link è scaduto, oppure l’ordine è stato pagato o annullato.", NotFound: "Pagina non trovata", CrossSite: "La richiesta è stata bloccata: non proveniva dalla pagina di pagamento.",
		BadForm: "Il modulo non è stato inviato come questa pagina si aspetta.", Wrong: "Qualcosa è andato storto. Riprova tra un momento.", TestMode: "Modalità di test", TestNote: "Non viene trasferito denaro.",
	},
	"ja": {
		Tag: "ja", PayTitle: "お支払い", PayTo: "お支払い先", Continue: "続行:", Cancel: "キャンセル", Choose: "お支払い方法を選択してください", AllMethods: "その他のお支払い方法",
		Back: "ショップに戻る", Finished: "このお支払いは完了しました", CloseNote: "このウィンドウを閉じてかまいません。", Over: "この注文はもうお支払いいただけません",
		OverNote: "リンクの有効期限が切れたか、注文が支払い済みまたはキャンセル済みです。", NotFound: "ページが見つかりません", CrossSite: "このリクエストはお支払いページから送られたものではないため、ブロックされました。",
		BadForm: "フォームがこのページの想定どおりに送信されませんでした。", Wrong: "問題が発生しました。しばらくしてからもう一度お試しください。", TestMode: "テストモード", TestNote: "実際の請求は発生しません。",
	},
	"no": {
		Tag: "nb", PayTitle: "Betaling", PayTo: "Betal til", Continue: "Fortsett med", Cancel: "Avbryt", Choose: "Velg betalingsmåte", AllMethods: "Andre betalingsmåter",
		Back: "Tilbake til butikken", Finished: "Denne betalingen er fullført", CloseNote: "Du kan lukke dette vinduet.", Over: "Denne bestillingen kan ikke lenger betales",
		OverNote: "Lenken er utløpt, eller bestillingen er betalt eller avbestilt.", NotFound: "Fant ikke siden", CrossSite: "Forespørselen ble blokkert: den kom ikke fra betalingssiden.",
		BadForm: "Skjemaet ble ikke sendt slik denne siden forventer.", Wrong: "Noe gikk galt. Prøv igjen om litt.", TestMode: "Testmodus", TestNote: "Ingen penger flyttes.",
	},
	"pl": {
		Tag: "pl", PayTitle: "Płatność", PayTo: "Zapłać:", Continue: "Kontynuuj:", Cancel: "Anuluj", Choose: "Wybierz metodę płatności", AllMethods: "Inne metody płatności",
		Back: "Powrót do sklepu", Finished: "Ta płatność została zakończona", CloseNote: "Możesz zamknąć to okno.", Over: "Tego zamówienia nie można już opłacić",
		OverNote: "Link wygasł albo zamówienie zostało opłacone lub anulowane.", NotFound: "Nie znaleziono strony", CrossSite: "Żądanie zablokowano: nie pochodziło ze strony płatności.",
		BadForm: "Formularz nie został wysłany tak, jak oczekuje ta strona.", Wrong: "Coś poszło nie tak. Spróbuj ponownie za chwilę.", TestMode: "Tryb testowy", TestNote: "Pieniądze nie są przekazywane.",
	},
	"pt": {
		Tag: "pt", PayTitle: "Pagamento", PayTo: "Pagar a", Continue: "Continuar com", Cancel: "Cancelar", Choose: "Escolha um método de pagamento", AllMethods: "Outros métodos de pagamento",
		Back: "Voltar à loja", Finished: "Este pagamento está concluído", CloseNote: "Pode fechar esta janela.", Over: "Esta encomenda já não pode ser paga",
		OverNote: "O link expirou, ou a encomenda foi paga ou cancelada.", NotFound: "Página não encontrada", CrossSite: "Este pedido foi bloqueado: não veio da página de pagamento.",
		BadForm: "O formulário não foi enviado como esta página espera.", Wrong: "Algo correu mal. Tente novamente dentro de momentos.", TestMode: "Modo de teste", TestNote: "Nenhum dinheiro é transferido.",
	},
	"ru": {
		Tag: "ru", PayTitle: "Оплата", PayTo: "Получатель:", Continue: "Продолжить:", Cancel: "Отмена", Choose: "Выберите способ оплаты", AllMethods: "Другие способы оплаты",
		Back: "Вернуться в магазин", Finished: "Этот платёж завершён", CloseNote: "Это окно можно закрыть.", Over: "Этот заказ больше нельзя оплатить",
		OverNote: "Срок действия ссылки истёк, либо заказ оплачен или отменён.", NotFound: "Страница не найдена", CrossSite: "Запрос заблокирован: он пришёл не со страницы оплаты.",
		BadForm: "Форма отправлена не так, как ожидает эта страница.", Wrong: "Что-то пошло не так. Попробуйте ещё раз немного позже.", TestMode: "Тестовый режим", TestNote: "Деньги не списываются.",
	},
	"sv": {
		Tag: "sv", PayTitle: "Betalning", PayTo: "Betala till", Continue: "Fortsätt med", Cancel: "Avbryt", Choose: "Välj ett betalningssätt", AllMethods: "Andra betalningssätt",
		Back: "Tillbaka till butiken", Finished: "Betalningen är klar", CloseNote: "Du kan stänga det här fönstret.", Over: "Den här beställningen kan inte längre betalas",
		OverNote: "Länken har gått ut, eller så är beställningen betald eller avbruten.", NotFound: "Sidan hittades inte", CrossSite: "Begäran blockerades: den kom inte från betalningssidan.",
		BadForm: "Formuläret skickades inte så som sidan förväntar sig.", Wrong: "Något gick fel. Försök igen om en stund.", TestMode: "Testläge", TestNote: "Inga pengar flyttas.",
	},
	"tr": {
		Tag: "tr", PayTitle: "Ödeme", PayTo: "Ödeme alıcısı:", Continue: "Devam et:", Cancel: "İptal", Choose: "Bir ödeme yöntemi seçin", AllMethods: "Diğer ödeme yöntemleri",
		Back: "Mağazaya dön", Finished: "Bu ödeme tamamlandı", CloseNote: "Bu pencereyi kapatabilirsiniz.", Over: "Bu sipariş artık ödenemez",
		OverNote: "Bağlantının süresi doldu ya da sipariş ödendi veya iptal edildi.", NotFound: "Sayfa bulunamadı", CrossSite: "Bu istek engellendi: ödeme sayfasından gelmedi.",
		BadForm: "Form, bu sayfanın beklediği şekilde gönderilmedi.", Wrong: "Bir şeyler ters gitti. Birazdan yeniden deneyin.", TestMode: "Test modu", TestNote: "Para aktarılmaz.",
	},
}

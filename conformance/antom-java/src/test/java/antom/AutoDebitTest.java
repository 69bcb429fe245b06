package antom;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.alipay.global.api.AlipayClient;
import com.alipay.global.api.DefaultAlipayClient;
import com.alipay.global.api.model.ams.Amount;
import com.alipay.global.api.model.ams.CustomerBelongsTo;
import com.alipay.global.api.model.ams.GrantType;
import com.alipay.global.api.model.ams.Order;
import com.alipay.global.api.model.ams.PaymentMethod;
import com.alipay.global.api.model.ams.ProductCodeType;
import com.alipay.global.api.model.ams.ScopeType;
import com.alipay.global.api.model.ams.TerminalType;
import com.alipay.global.api.request.AlipayRequest;
import com.alipay.global.api.request.ams.auth.AlipayAuthApplyTokenRequest;
import com.alipay.global.api.request.ams.auth.AlipayAuthConsultRequest;
import com.alipay.global.api.request.ams.auth.AlipayAuthRevokeTokenRequest;
import com.alipay.global.api.request.ams.pay.AlipayInquiryRefundRequest;
import com.alipay.global.api.request.ams.pay.AlipayPayCancelRequest;
import com.alipay.global.api.request.ams.pay.AlipayPayQueryRequest;
import com.alipay.global.api.request.ams.pay.AlipayPayRequest;
import com.alipay.global.api.request.ams.pay.AlipayRefundRequest;
import com.alipay.global.api.response.AlipayResponse;
import com.alipay.global.api.response.ams.auth.AlipayAuthApplyTokenResponse;
import com.alipay.global.api.response.ams.pay.AlipayPayResponse;
import com.alipay.global.api.tools.WebhookTool;
import com.google.gson.JsonObject;
import java.util.Arrays;
import java.util.Map;
import java.util.UUID;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Auto Debit through the official library, whose verification of answers is on: consent to
 * revocation, for every method of the seed that the library's enum has.
 */
final class AutoDebitTest {
  private static Ducat ducat;

  @BeforeAll
  static void start() throws Exception {
    ducat = new Ducat();
  }

  @AfterAll
  static void stop() throws Exception {
    ducat.close();
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource({
    "ALIPAY_CN, CNY, 5000, true, true, true",
    "ALIPAY_HK, HKD, 5000, true, true, true",
    "BOOST, MYR, 5000, true, true, true",
    "DANA, IDR, 5000000, true, false, true",
    "GCASH, PHP, 5000, true, true, true",
    "KAKAOPAY, KRW, 5000, true, true, true",
    "NAVERPAY, KRW, 5000, true, true, true",
    "RABBIT_LINE_PAY, THB, 5000, true, true, true",
    "TNG, MYR, 5000, true, true, true",
    "TRUEMONEY, THB, 5000, true, true, true",
    "ZALOPAY, VND, 50000, true, true, false",
    "DIRECT_DEBIT_KRUNGTHAIBANK, THB, 5000, false, false, false",
    "DIRECT_DEBIT_SIAMCOMMERCIALBANK, THB, 5000, false, false, false",
    "GRABPAY_MY, MYR, 5000, true, true, true",
    "GRABPAY_SG, SGD, 5000, true, true, true",
    "GRABPAY_PH, PHP, 5000, true, true, true",
    "MAYA, PHP, 5000, true, true, true",
    "PAYPAY, JPY, 5000, true, true, false",
    "KPLUS, THB, 5000, true, true, true",
  })
  void walk(CustomerBelongsTo method, String currency, long minor, boolean refunds, boolean cancels, boolean renews) throws Exception {
    try (Shop shop = new Shop()) {
      new Walk(shop, method, currency, minor).run(refunds, cancels, renews);
    }
  }

  /** One method's walk. */
  private static final class Walk {
    final Shop shop;
    final CustomerBelongsTo method;
    final String currency;
    final long minor;
    final String clientId = "SANDBOX_" + UUID.randomUUID().toString().replace("-", "").substring(0, 16);
    final String antomKey;
    final AlipayClient client;
    String token;

    Walk(Shop shop, CustomerBelongsTo method, String currency, long minor) throws Exception {
      this.shop = shop;
      this.method = method;
      this.currency = currency;
      this.minor = minor;
      JsonObject keys = ducat.control(clientId, "antom/keys", Map.of());
      antomKey = keys.get("antom_public_key").getAsString();
      client = new DefaultAlipayClient(ducat.gateway, keys.get("private_key_pkcs8").getAsString(), antomKey, clientId);
      ducat.control(clientId, "account", Map.of("settings", Map.of("antom.notify_authorization", shop.url() + "/auth?client=" + clientId)));
    }

    void run(boolean refunds, boolean cancels, boolean renews) throws Exception {
      String code = consent();
      AlipayAuthApplyTokenRequest apply = new AlipayAuthApplyTokenRequest();
      apply.setGrantType(GrantType.AUTHORIZATION_CODE);
      apply.setCustomerBelongsTo(method);
      apply.setAuthCode(code);
      AlipayAuthApplyTokenResponse tokens = ask(apply, "SUCCESS");
      token = tokens.getAccessToken();
      if (renews) {
        assertNotNull(tokens.getRefreshToken());
        AlipayAuthApplyTokenRequest refresh = new AlipayAuthApplyTokenRequest();
        refresh.setGrantType(GrantType.REFRESH_TOKEN);
        refresh.setCustomerBelongsTo(method);
        refresh.setRefreshToken(tokens.getRefreshToken());
        AlipayAuthApplyTokenResponse renewed = ask(refresh, "SUCCESS");
        assertNotEquals(token, renewed.getAccessToken());
        token = renewed.getAccessToken();
      } else {
        assertNull(tokens.getRefreshToken());
      }
      String first = pay("pay-0", "SUCCESS").getPaymentId();
      String second = pay("pay-1", "SUCCESS").getPaymentId();
      String third = pay("pay-2", "SUCCESS").getPaymentId();
      assertEquals(3, Arrays.stream(new String[] {first, second, third}).distinct().count());
      assertEquals(first, pay("pay-0", "SUCCESS").getPaymentId());
      for (String id : new String[] {first, second, third}) {
        assertEquals("SUCCESS", heard("PAYMENT_RESULT", "paymentId", id).getAsJsonObject("result").get("resultCode").getAsString());
      }
      AlipayPayQueryRequest query = new AlipayPayQueryRequest();
      query.setPaymentRequestId("pay-1");
      ask(query, "SUCCESS");

      AlipayRefundRequest refund = new AlipayRefundRequest();
      refund.setRefundRequestId("refund-1");
      refund.setPaymentId(first);
      refund.setRefundAmount(amount(minor / 2));
      refund.setRefundNotifyUrl(shop.url() + "/refund");
      ask(refund, refunds ? "SUCCESS" : "REFUND_NOT_SUPPORTED");
      if (refunds) {
        assertEquals("SUCCESS", heard("REFUND_RESULT", "refundRequestId", "refund-1").get("refundStatus").getAsString());
        AlipayInquiryRefundRequest inquiry = new AlipayInquiryRefundRequest();
        inquiry.setRefundRequestId("refund-1");
        ask(inquiry, "SUCCESS");
      }
      AlipayPayCancelRequest cancel = new AlipayPayCancelRequest();
      cancel.setPaymentId(second);
      ask(cancel, cancels ? "SUCCESS" : "ORDER_STATUS_INVALID");

      AlipayAuthRevokeTokenRequest revoke = new AlipayAuthRevokeTokenRequest();
      revoke.setAccessToken(token);
      ask(revoke, "SUCCESS");
      heard("TOKEN_CANCELED", "accessToken", token);
      pay("pay-9", "INVALID_ACCESS_TOKEN");
      ask(revoke, "INVALID_ACCESS_TOKEN");
    }

    /** Asks for consent, agrees on the page, and returns the code. */
    String consent() throws Exception {
      AlipayAuthConsultRequest consult = new AlipayAuthConsultRequest();
      consult.setCustomerBelongsTo(method);
      consult.setAuthRedirectUrl("https://shop.example/back?cart=7");
      consult.setAuthState("state-" + clientId);
      consult.setScopes(new ScopeType[] {ScopeType.AGREEMENT_PAY});
      consult.setTerminalType(TerminalType.WEB);
      String page = ask(consult, "SUCCESS").getAuthUrl();
      String query = ducat.agree(page).getQuery();
      var found = Pattern.compile("^cart=7&authCode=([0-9a-f]{32})&authState=state-" + clientId + "$").matcher(query);
      assertTrue(found.matches(), query);
      assertEquals(found.group(1), heard("AUTHCODE_CREATED", "authState", "state-" + clientId).get("authCode").getAsString());
      return found.group(1);
    }

    AlipayPayResponse pay(String requestId, String code) throws Exception {
      AlipayPayRequest request = new AlipayPayRequest();
      request.setProductCode(ProductCodeType.AGREEMENT_PAYMENT);
      request.setPaymentRequestId(requestId);
      request.setPaymentAmount(amount(minor));
      request.setPaymentNotifyUrl(shop.url() + "/pay?request=" + requestId);
      Order order = new Order();
      order.setReferenceOrderId("order-" + requestId);
      order.setOrderDescription("Plan");
      order.setOrderAmount(amount(minor));
      request.setOrder(order);
      PaymentMethod paymentMethod = new PaymentMethod();
      paymentMethod.setPaymentMethodType(method.name());
      paymentMethod.setPaymentMethodId(token);
      request.setPaymentMethod(paymentMethod);
      return ask(request, code);
    }

    Amount amount(long value) {
      Amount a = new Amount();
      a.setCurrency(currency);
      a.setValue(String.valueOf(value));
      return a;
    }

    /** Calls the API; the library verifies the answer. */
    <T extends AlipayResponse> T ask(AlipayRequest<T> request, String code) throws Exception {
      T response = client.execute(request);
      assertEquals(code, response.getResult().getResultCode(), request.getClass().getSimpleName() + ": " + response.getResult().getResultMessage());
      return response;
    }

    /** Waits for a notification and verifies it with the library. */
    JsonObject heard(String kind, String member, String value) throws Exception {
      Shop.Heard h =
          shop.await(
              n -> {
                String type = n.has("notifyType") ? n.get("notifyType").getAsString() : n.get("authorizationNotifyType").getAsString();
                return type.equals(kind) && n.has(member) && n.get(member).getAsString().equals(value);
              });
      assertTrue(WebhookTool.checkSignature(h.path(), "POST", h.client(), h.time(), h.signature(), h.body(), antomKey), kind);
      assertFalse(WebhookTool.checkSignature(h.path(), "POST", h.client(), h.time(), h.signature(), h.body() + " ", antomKey), kind);
      return h.object();
    }
  }
}

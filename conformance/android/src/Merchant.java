package ducat;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import org.json.JSONObject;

/** The server of the app's merchant, and the payer at their browser. */
final class Merchant {
  private static final HttpClient HTTP = HttpClient.newHttpClient();

  private final Server server;
  private final String suffix;

  Merchant(Server server, String name) {
    this.server = server;
    suffix = "android" + name.replace("-", "") + "0000";
  }

  String publishableKey() {
    return "pk_test_" + suffix;
  }

  /** Posts a form with the secret key; headers are names and values. */
  JSONObject post(String path, String form, String... headers) throws Exception {
    HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(server.url + path)).header("Authorization", "Bearer sk_test_" + suffix)
        .header("Content-Type", "application/x-www-form-urlencoded").POST(HttpRequest.BodyPublishers.ofString(form));
    if (headers.length > 0) request.headers(headers);
    HttpResponse<String> answer = HTTP.send(request.build(), HttpResponse.BodyHandlers.ofString());
    if (answer.statusCode() != 200) throw new AssertionError(path + ": " + answer.statusCode() + " " + answer.body());
    return new JSONObject(answer.body());
  }

  /** Presses a button of the payer's page and tells where that leads. */
  String decide(String page, String decision) throws Exception {
    HttpRequest request = HttpRequest.newBuilder(URI.create(page)).header("Content-Type", "application/x-www-form-urlencoded")
        .POST(HttpRequest.BodyPublishers.ofString("decision=" + decision)).build();
    return HTTP.send(request, HttpResponse.BodyHandlers.ofString()).headers().firstValue("Location").orElse("");
  }

  /** Moves the clock of the world, doing what falls due. */
  void advance(int seconds) throws Exception {
    post("/_ducat/v1/clock/advance", "{\"seconds\": " + seconds + "}");
  }
}

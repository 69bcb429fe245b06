package antom;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** A running ducat that serves HTTPS under a certificate this process trusts. */
final class Ducat implements AutoCloseable {
  private static final Duration PATIENCE = Duration.ofSeconds(60);
  private final Path directory = Files.createTempDirectory("ducat-conformance-");
  private final String bin = System.getenv("DUCAT_BIN");
  private final String db = "sqlite:" + directory.resolve("ducat.db");
  private final Process process;
  private final HttpClient http = HttpClient.newBuilder().followRedirects(HttpClient.Redirect.NEVER).build();

  /** Addresses of the server, without and with TLS. */
  final String url;

  final String gateway;

  Ducat() throws Exception {
    process =
        new ProcessBuilder(
                bin, "serve", "--listen", "127.0.0.1:0", "--db", db, "--tls", "--tls-dir", directory.resolve("tls").toString(),
                "--tls-listen", "127.0.0.1:0", "--log-level", "error")
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    String ready = null;
    String secure = null;
    BufferedReader out = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
    for (String line = out.readLine(); line != null && ready == null; line = out.readLine()) {
      if (line.strip().startsWith("HTTPS")) {
        secure = line.strip().split("\\s+")[1].replaceAll(",$", "");
      }
      if (line.startsWith("ready url=")) {
        ready = line.substring("ready url=".length()).strip();
        break;
      }
    }
    if (ready == null || secure == null) {
      process.destroyForcibly();
      throw new AssertionError("ducat serve did not say where it is");
    }
    url = ready;
    gateway = secure;
    trust(directory.resolve("tls").resolve("ca.pem"));
  }

  /** Makes the whole process trust the local authority. */
  private static void trust(Path authority) throws Exception {
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    try (InputStream in = Files.newInputStream(authority)) {
      store.setCertificateEntry("ducat", CertificateFactory.getInstance("X.509").generateCertificate(in));
    }
    TrustManagerFactory managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    managers.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, managers.getTrustManagers(), null);
    SSLContext.setDefault(context);
    HttpsURLConnection.setDefaultSSLSocketFactory(context.getSocketFactory());
  }

  /** Calls the control API with a sandbox client id. */
  JsonObject control(String client, String path, Map<String, ?> body) throws Exception {
    HttpResponse<String> answer =
        http.send(
            HttpRequest.newBuilder(URI.create(url + "/_ducat/v1/" + path))
                .timeout(PATIENCE)
                .header("Authorization", "Bearer " + client)
                .POST(HttpRequest.BodyPublishers.ofString(new Gson().toJson(body)))
                .build(),
            HttpResponse.BodyHandlers.ofString());
    if (answer.statusCode() != 200) {
      throw new AssertionError(path + ": " + answer.statusCode() + " " + answer.body());
    }
    return new Gson().fromJson(answer.body(), JsonObject.class);
  }

  /** Agrees on the payer's page; returns where the payer is sent. */
  URI agree(String page) throws Exception {
    HttpResponse<String> answer =
        http.send(
            HttpRequest.newBuilder(URI.create(page))
                .timeout(PATIENCE)
                .header("Content-Type", "application/x-www-form-urlencoded")
                .POST(HttpRequest.BodyPublishers.ofString("decision=authorize&login=any"))
                .build(),
            HttpResponse.BodyHandlers.ofString());
    if (answer.statusCode() != 303) {
      throw new AssertionError("the page answered " + answer.statusCode());
    }
    return URI.create(answer.headers().firstValue("Location").orElseThrow());
  }

  /** Stops the server as an operator would, and has the books checked. */
  @Override
  public void close() throws IOException, InterruptedException {
    process.destroy();
    if (!process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
      process.destroyForcibly();
      throw new AssertionError("ducat serve did not stop");
    }
    Process verify = new ProcessBuilder(List.of(bin, "verify", "--db", db)).redirectErrorStream(true).start();
    String said = new String(verify.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    if (verify.waitFor() != 0) {
      throw new AssertionError(said);
    }
  }
}

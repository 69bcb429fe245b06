package ducat;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;

/** Stands between a library and the server, and loses answers. */
final class Gateway implements AutoCloseable {
  /** What belongs to a connection, not to a message; HttpClient sets them itself. */
  private static final Set<String> HOP = Set.of("host", "connection", "content-length", "transfer-encoding", "date");

  final String url;
  /** How many answers are still to be lost, after the server has given them. */
  final AtomicInteger lose = new AtomicInteger();
  private final World w;
  private final HttpServer server;
  private final HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final List<String> keys = new ArrayList<>();

  Gateway(World w) throws IOException {
    this.w = w;
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(threads);
    server.createContext("/", this::forward);
    server.start();
    url = "http://127.0.0.1:" + server.getAddress().getPort();
  }

  /** The keys of the requests that came since the last call. */
  synchronized List<String> keys() {
    List<String> came = List.copyOf(keys);
    keys.clear();
    return came;
  }

  private void forward(HttpExchange exchange) throws IOException {
    try (exchange) { // closing it before an answer is begun closes the connection
      byte[] body = exchange.getRequestBody().readAllBytes();
      String key = exchange.getRequestHeaders().getFirst("Idempotency-Key");
      synchronized (this) {
        keys.add(key == null ? "" : key);
      }
      HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(w.base + exchange.getRequestURI()))
          .method(exchange.getRequestMethod(), BodyPublishers.ofByteArray(body));
      exchange.getRequestHeaders().forEach((name, values) -> {
        if (!HOP.contains(name.toLowerCase(Locale.ROOT))) values.forEach(value -> request.header(name, value));
      });
      HttpResponse<byte[]> answer = client.send(request.build(), BodyHandlers.ofByteArray());
      if (lose.getAndUpdate(n -> Math.max(0, n - 1)) > 0) return;
      answer.headers().map().forEach((name, values) -> {
        if (!HOP.contains(name)) exchange.getResponseHeaders().put(name, values);
      });
      exchange.sendResponseHeaders(answer.statusCode(), answer.body().length);
      exchange.getResponseBody().write(answer.body());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() {
    server.stop(0);
    threads.shutdown();
  }
}

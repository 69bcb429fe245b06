package antom;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/** A merchant's address for notifications. */
final class Shop implements AutoCloseable {
  record Heard(String path, String client, String time, String signature, String body) {
    JsonObject object() {
      return new Gson().fromJson(body, JsonObject.class);
    }
  }

  private final BlockingQueue<Heard> heard = new LinkedBlockingQueue<>();
  private final List<Heard> kept = new ArrayList<>(); // heard, and not asked for yet
  private final HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);

  Shop() throws IOException {
    server.createContext(
        "/",
        exchange -> {
          String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
          heard.add(
              new Heard(
                  exchange.getRequestURI().toString(), exchange.getRequestHeaders().getFirst("client-id"),
                  exchange.getRequestHeaders().getFirst("request-time"), exchange.getRequestHeaders().getFirst("signature"), body));
          byte[] answer = "{\"result\":{\"resultCode\":\"SUCCESS\",\"resultStatus\":\"S\",\"resultMessage\":\"success\"}}".getBytes(StandardCharsets.UTF_8);
          exchange.sendResponseHeaders(200, answer.length);
          exchange.getResponseBody().write(answer);
          exchange.close();
        });
    server.start();
  }

  String url() {
    return "http://127.0.0.1:" + server.getAddress().getPort();
  }

  /**
   * Returns the first notification that is wanted. Others are kept for whoever asks for them later:
   * those about different payments come in any order.
   */
  Heard await(Predicate<JsonObject> wanted) throws InterruptedException {
    for (Heard early : kept) {
      if (wanted.test(early.object())) {
        kept.remove(early);
        return early;
      }
    }
    while (true) {
      Heard next = heard.poll(60, TimeUnit.SECONDS);
      if (next == null) {
        throw new AssertionError("no notification came");
      }
      if (wanted.test(next.object())) {
        return next;
      }
      kept.add(next);
    }
  }

  @Override
  public void close() {
    server.stop(0);
  }
}
